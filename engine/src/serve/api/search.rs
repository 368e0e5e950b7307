//! The nearest vectors to a query.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::http::{Request, Response};
use super::Site;
use crate::answer::{
    BAD_DATA, Failure, NOT_FOUND, Results, check_generations, commit, like_query, query_vector, search_json,
};
use crate::delta::Element;
use crate::version::{Metric, Query, Repository, resolve, search, table};

/// How long a question may be; a query of the greatest width in 15 digits a number fits.
const BODY_MAX: u64 = 16 << 20;

/// How many results there are at most.
const K_MAX: usize = 100_000;

/// What is asked.
struct Question {
    like: Option<String>,
    vector: Option<Vec<f64>>,
    at: Option<String>,
    against: Option<String>,
    k: usize,
    metric: Metric,
    collection: Option<String>,
    mixed: bool,
}

impl Question {
    /// Reads a question; a field that is not known is refused, so that a slip does not go unnoticed.
    fn parse(body: &[u8]) -> Result<Self, String> {
        let mut fields: Map<String, Value> = serde_json::from_slice(body).map_err(|e| e.to_string())?;
        let text = |value: Option<Value>, name: &str| match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("`{name}` is a text")),
        };
        let mut text = |name: &str| text(fields.remove(name), name);
        let (like, at, against) = (text("like")?, text("at")?, text("against")?);
        let (collection, metric) = (text("collection")?, text("metric")?);
        let numbers = |value: Value| -> Option<Vec<f64>> { value.as_array()?.iter().map(Value::as_f64).collect() };
        let vector = fields.remove("vector").map(|v| numbers(v).ok_or("`vector` is an array of numbers"));
        let k = fields.remove("k").map_or(Some(10), |k| usize::try_from(k.as_u64()?).ok());
        let mixed = fields.remove("mixed").map_or(Some(false), |mixed| mixed.as_bool());
        if let Some(name) = fields.keys().next() {
            return Err(format!("there is no `{name}` in a question"));
        }
        Ok(Self {
            like,
            vector: vector.transpose()?,
            at,
            against,
            k: k.filter(|k| (1..=K_MAX).contains(k)).ok_or_else(|| format!("`k` is 1 to {K_MAX}"))?,
            metric: match metric.as_deref() {
                None | Some("cosine") => Metric::Cosine,
                Some("l2") => Metric::L2,
                Some("dot") => Metric::Dot,
                Some(_) => return Err("`metric` is cosine, l2 or dot".to_owned()),
            },
            collection,
            mixed: mixed.ok_or("`mixed` is true or false")?,
        })
    }
}

/// Answers `/v1/search`.
pub fn nearest(site: &Site, request: &mut Request<'_>) -> Result<Response, Response> {
    super::Parameters::of(&request.head, &[])?;
    let body = request.body.whole(BODY_MAX)?;
    let example = "such as {\"like\": \"vectors/apple\", \"k\": 10}";
    let bad = |problem: String| Response::refused(400, &format!("the question cannot be read: {problem}"), example);
    let question = Question::parse(&body).map_err(bad)?;
    if question.like.is_some() == question.vector.is_some() {
        return Err(Response::refused(400, "give one of `like` and `vector`", example));
    }
    let repo = site.held.now().map_err(Failure::from)?;
    let _place = site.heavy()?;
    let at = commit(&repo, question.at.as_deref())?;
    let at = at.ok_or_else(|| Failure::new(NOT_FOUND, "the repository has no commit yet"))?;
    let here = side(&repo, at, question.at.as_deref().unwrap_or("head"), &question)?;
    let against = match &question.against {
        Some(name) => Some(side(&repo, resolve(&repo, name).map_err(Failure::from)?, name, &question)?),
        None => None,
    };
    if !question.mixed {
        check_generations(&repo, std::iter::once(&here).chain(&against))
            .map_err(|e| e.hint("`\"mixed\": true` compares them all the same"))?;
    }
    let asked = (question.metric, question.k);
    Ok(Response::json(200, &search_json(&repo, &here, against.as_ref(), asked, question.like.as_deref())))
}

fn side(repo: &Repository, at: usize, name: &str, question: &Question) -> Result<Results, Failure> {
    let (metric, k) = (question.metric, question.k);
    let (table, query) = match (&question.like, &question.vector) {
        (Some(like), _) => like_query(repo, (at, name), like, (metric, k))?,
        (None, Some(vector)) => {
            let table = table(repo, at, question.collection.as_deref())?;
            let row: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            let vector = query_vector(&table, Element::F64, &row, "`vector`", metric)?;
            (table, Query { vector, except: None, metric, k })
        }
        (None, None) => return Err(Failure::new(BAD_DATA, "give one of `like` and `vector`")),
    };
    let table = Arc::new(table);
    let found = search(repo, at, &table, &query, &mut |_| {})?;
    Ok(Results { commit: at, table, found })
}
