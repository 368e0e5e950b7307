//! The mirror: what is drawn on the canvas, told to the page as ARIA elements.
//!
//! eframe hands the accessibility tree to no browser. A plugin of egui sees it after every frame, so screen readers, and
//! tests that look for things by their role, find them; a click on an element comes back as an action.

use egui::accesskit::{Action, Node, NodeId, Role, Toggled, TreeUpdate};
use egui::{Context, FullOutput, Plugin};
use serde_json::{Value, json};

use crate::host;

/// The plugin; it remembers what it told last.
#[derive(Default)]
pub struct Mirror {
    told: String,
}

impl Plugin for Mirror {
    fn debug_name(&self) -> &'static str {
        "mirror"
    }

    fn setup(&mut self, ctx: &Context) {
        ctx.enable_accesskit();
    }

    fn output_hook(&mut self, _ctx: &Context, output: &mut FullOutput) {
        let Some(update) = output.platform_output.accesskit_update.take() else { return };
        let nodes = nodes(&update).to_string();
        if nodes != self.told {
            host::show_nodes(&nodes);
            self.told = nodes;
        }
    }
}

fn nodes(update: &TreeUpdate) -> Value {
    update.nodes.iter().filter_map(|(id, node)| described(*id, node, *id == update.focus)).collect()
}

/// Describes a node that has something to say: id, role, name, value, place in points, states.
fn described(id: NodeId, node: &Node, focused: bool) -> Option<Value> {
    let role = aria(node.role())?;
    let name = node.label().or(if role == "text" { node.value() } else { None }).unwrap_or("");
    let bounds = node.bounds()?;
    if name.is_empty() && !node.supports_action(Action::Click) && role != "textbox" {
        return None;
    }
    let pressed = node.toggled().map(|t| t == Toggled::True);
    Some(json!([
        format!("{:x}", id.0),
        role,
        name,
        node.value().filter(|_| role != "text").or(None),
        [bounds.x0.round(), bounds.y0.round(), (bounds.x1 - bounds.x0).round(), (bounds.y1 - bounds.y0).round()],
        node.is_disabled(),
        node.is_selected(),
        pressed,
        node.numeric_value(),
        focused,
    ]))
}

/// Returns the ARIA role; nothing for what only holds others.
fn aria(role: Role) -> Option<&'static str> {
    Some(match role {
        Role::Button | Role::DefaultButton | Role::DisclosureTriangle => "button",
        Role::CheckBox => "checkbox",
        Role::Switch => "switch",
        Role::RadioButton => "radio",
        Role::TextInput | Role::MultilineTextInput | Role::SearchInput => "textbox",
        Role::Slider => "slider",
        Role::ScrollBar => "scrollbar",
        Role::ListBox => "listbox",
        Role::SpinButton => "spinbutton",
        Role::ComboBox => "combobox",
        Role::Tab => "tab",
        Role::Link => "link",
        Role::Row | Role::LayoutTableRow => "row",
        Role::ListItem => "listitem",
        Role::TreeItem => "treeitem",
        Role::ListBoxOption | Role::MenuListOption => "option",
        Role::MenuItem => "menuitem",
        Role::Image | Role::Canvas | Role::GraphicsObject | Role::Figure => "img",
        Role::Heading => "heading",
        Role::Dialog | Role::AlertDialog => "dialog",
        Role::Alert => "alert",
        Role::Status => "status",
        Role::ProgressIndicator => "progressbar",
        Role::Label | Role::Paragraph => "text",
        Role::Grid | Role::Table => "grid",
        Role::List => "list",
        Role::Tree => "tree",
        Role::Cell | Role::GridCell => "gridcell",
        Role::ColumnHeader => "columnheader",
        Role::Group | Role::Region | Role::Pane | Role::Window => "group",
        _ => return None,
    })
}
