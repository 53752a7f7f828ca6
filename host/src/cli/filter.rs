//! Which jobs: the options that every command has that is about many of them.

use serde_json::{Map, Value, json};

use super::client::Call;
use crate::job::{GroupId, JobState, KindName, ModuleName, QueueName, Span};

/// Those that all of it fits.
#[derive(Debug, Default, clap::Args)]
#[group(id = "which", multiple = true)]
pub(super) struct JobFilter {
    /// Only in this state: scheduled, blocked, ready, running, retrying, succeeded, failed or cancelled
    #[arg(long)]
    state: Option<JobState>,
    /// Only those that have not ended
    #[arg(long)]
    unfinished: bool,
    /// Only of this kind
    #[arg(long)]
    kind: Option<KindName>,
    /// Only in this lane
    #[arg(long)]
    queue: Option<QueueName>,
    /// Only with this label
    #[arg(long)]
    tag: Option<String>,
    /// Only of kinds this module serves
    #[arg(long)]
    module: Option<ModuleName>,
    /// Only enqueued since: `10m` ago, or a time like 2026-11-21T09:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<jiff::Timestamp>,
    /// Only enqueued before: `10m` ago, or a time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<jiff::Timestamp>,
    /// Only failed ones of this group, as `stoker dead-letters` lists them
    #[arg(long)]
    group: Option<GroupId>,
}

impl JobFilter {
    /// What was said, by the names of the API.
    fn fields(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let JobFilter { state, unfinished, kind, queue, tag, module, since, until, group } = self;
        let fields = [
            ("state", state.map(|state| json!(state))),
            ("unfinished", unfinished.then_some(json!(true))),
            ("kind", kind.as_ref().map(|kind| json!(kind))),
            ("queue", queue.as_ref().map(|queue| json!(queue))),
            ("tag", tag.as_ref().map(|tag| json!(tag))),
            ("module", module.as_ref().map(|module| json!(module))),
            ("since", since.map(|at| json!(at.to_string()))),
            ("until", until.map(|at| json!(at.to_string()))),
            ("group", group.map(|group| json!(group))),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// As the filter of an action.
    pub(super) fn json(&self) -> Map<String, Value> {
        self.fields().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// As the query of a list.
    pub(super) fn query<'c>(&self, call: Call<'c>) -> Call<'c> {
        self.fields().fold(call, |call, (name, value)| match value {
            Value::String(text) => call.query(name, Some(&text)),
            other => call.query(name, Some(&other.to_string())),
        })
    }
}

/// A time, or so long before now.
pub(super) fn moment(text: &str) -> Result<jiff::Timestamp, String> {
    if let Ok(ago) = text.parse::<Span>() {
        let ago = i64::try_from(ago.as_ms()).unwrap_or(i64::MAX);
        let at = jiff::Timestamp::now().as_millisecond().checked_sub(ago);
        let at = at.and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
        return at.ok_or_else(|| "is longer ago than there is time".to_owned());
    }
    text.parse()
        .map_err(|_| "write how long ago, like `10m` or `2h30m`, or a time like 2026-11-21T09:00:00Z".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        filter: JobFilter,
    }

    #[test]
    fn moments_are_times_or_so_long_ago() {
        assert_eq!(moment("2026-11-21T09:00:00Z").map(|at| at.to_string()), Ok("2026-11-21T09:00:00Z".to_owned()));
        let ago = moment("10m").unwrap();
        let seconds = jiff::Timestamp::now().duration_since(ago).as_secs();
        assert!((600..660).contains(&seconds), "{seconds}");
        for text in ["yesterday", "", "-5m"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn it_holds_what_was_said_and_nothing_else() {
        let filter = |line: &[&str]| {
            let line = Line::try_parse_from(std::iter::once("jobs").chain(line.iter().copied())).unwrap();
            Value::Object(line.filter.json()).to_string()
        };
        assert_eq!(filter(&[]), "{}");
        assert_eq!(
            filter(&[
                "--state",
                "failed",
                "--kind",
                "a.b",
                "--unfinished",
                "--tag",
                "x",
                "--since",
                "2026-11-21T09:00:00Z"
            ]),
            r#"{"kind":"a.b","since":"2026-11-21T09:00:00Z","state":"failed","tag":"x","unfinished":true}"#
        );
        let group = "group_0123456789abcdef0123456789abcdef";
        assert_eq!(filter(&["--group", group]), format!(r#"{{"group":"{group}"}}"#));
        assert!(Line::try_parse_from(["jobs", "--group", "mail"]).is_err());
        assert!(Line::try_parse_from(["jobs", "--since", "yesterday"]).is_err());
    }
}
