//! The choice of a collection, which several views share.

use egui::{ComboBox, Role, Ui, WidgetInfo};

use super::state::State;
use super::widgets;
use crate::ask::{Answer, Ask, CommitNumber};
use crate::desk::Loaded;
use crate::model::format;

/// Returns the collection of a commit that is looked at, with a choice where there are several; `None` while it is not
/// known, or when there is none.
pub fn choice(ui: &mut Ui, state: &mut State, commit: CommitNumber) -> Option<String> {
    let names: Vec<String> = match state.desk.get(Ask::Commit { commit }) {
        Loaded::Ready(answer) => match &*answer {
            Answer::Commit(commit) => commit.collections.iter().map(|c| c.name.clone()).collect(),
            _ => Vec::new(),
        },
        Loaded::Failed(trouble) => {
            widgets::trouble(ui, &trouble);
            return None;
        }
        Loaded::Waiting => return None,
    };
    let kept = state.selection.param("collection").map(str::to_owned).filter(|c| names.contains(c));
    let mut chosen = kept.or_else(|| names.first().cloned())?;
    if names.len() > 1 {
        let before = chosen.clone();
        let combo = ComboBox::from_id_salt("collection").selected_text(format::line(&chosen, 30));
        let shown = combo.show_ui(ui, |ui| {
            for name in &names {
                ui.selectable_value(&mut chosen, name.clone(), format::line(name, 60));
            }
        });
        shown.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Collection"));
        if chosen != before {
            state.selection.set_param("collection", Some(chosen.clone()));
        }
    }
    Some(chosen)
}
