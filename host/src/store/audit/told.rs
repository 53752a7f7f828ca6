//! What a row tells of a thing before and after. Of something large only what differs, and of that as much as has room: whatever else
//! somebody puts beside a small change, the change is told.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::record::Facts;

/// Largest of what is kept of a thing before or after, bytes of JSON.
const FACTS_BYTES_MAX: usize = 16 << 10;
/// What stands for a text that is left out, and for its name, has room in so many bytes.
const LEFT_OUT_BYTES: usize = 32;
/// How many bytes are not told, beside those that are.
const LEFT_OUT: &str = "left_out_bytes";

/// The texts of a thing before and after.
pub(super) fn told(before: &Facts, after: &Facts) -> [Option<String>; 2] {
    let whole = [before, after].map(|facts| facts.as_ref().map(Value::to_string));
    if whole.iter().flatten().all(|text| text.len() <= FACTS_BYTES_MAX) {
        return whole;
    }
    let differing = match (before, after) {
        (Some(before), Some(after)) => {
            let (before, after) = differing(before, after);
            [Some(before), Some(after)]
        }
        (before, after) => [before.clone(), after.clone()],
    };
    let mut bytes = whole.iter().map(|text| text.as_ref().map_or(0, String::len));
    differing.map(|facts| {
        let bytes = bytes.next().unwrap_or(0);
        facts.map(|facts| marked(shortened(&facts, FACTS_BYTES_MAX - LEFT_OUT_BYTES), bytes).to_string())
    })
}

/// Says of how many bytes more this is what is told.
fn marked(told: Value, bytes: usize) -> Value {
    let left_out = bytes.saturating_sub(told.to_string().len());
    match told {
        Value::Object(mut members) if left_out > 0 => {
            members.entry(LEFT_OUT).or_insert_with(|| json!(left_out));
            Value::Object(members)
        }
        told => told,
    }
}

/// Both without what they have in common.
fn differing(before: &Value, after: &Value) -> (Value, Value) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let (mut of_before, mut of_after) = (Map::new(), Map::new());
            for (name, value) in before {
                match after.get(name) {
                    Some(same) if same == value => {}
                    Some(other) => {
                        let (value, other) = differing(value, other);
                        of_before.insert(name.clone(), value);
                        of_after.insert(name.clone(), other);
                    }
                    None => {
                        of_before.insert(name.clone(), value.clone());
                    }
                }
            }
            let new = after.iter().filter(|(name, _)| !before.contains_key(*name));
            of_after.extend(new.map(|(name, value)| (name.clone(), value.clone())));
            (Value::Object(of_before), Value::Object(of_after))
        }
        (Value::Array(before), Value::Array(after)) => (without(before, after), without(after, before)),
        (before, after) => (before.clone(), after.clone()),
    }
}

/// Those of the one that are not in the other.
fn without(items: &[Value], others: &[Value]) -> Value {
    let others: BTreeSet<String> = others.iter().map(Value::to_string).collect();
    items.iter().filter(|item| !others.contains(&item.to_string())).cloned().collect()
}

/// In so many bytes of JSON: small members are told whole, large ones share what is left.
fn shortened(value: &Value, bytes_max: usize) -> Value {
    let bytes = value.to_string().len();
    if bytes <= bytes_max {
        return value.clone();
    }
    match value {
        Value::Object(members) => {
            let sizes: Vec<_> =
                members.iter().map(|(name, value)| (json!(name).to_string().len() + 2, value)).collect();
            let told = shares(&sizes, bytes_max);
            members.keys().zip(told).filter_map(|(name, told)| Some((name.clone(), told?))).collect()
        }
        Value::Array(items) => {
            let told = shares(&items.iter().map(|item| (1, item)).collect::<Vec<_>>(), bytes_max);
            told.into_iter().flatten().collect()
        }
        _ => json!({LEFT_OUT: bytes}),
    }
}

/// Each of some members in its share of so many bytes; `None`: there is no room for it. What a small one needs not the others have.
fn shares(members: &[(usize, &Value)], bytes_max: usize) -> Vec<Option<Value>> {
    let mut order: Vec<(usize, usize)> =
        members.iter().map(|(beside, value)| beside + value.to_string().len()).zip(0..).collect();
    order.sort_unstable();
    let mut told = vec![None; members.len()];
    let mut left = bytes_max.saturating_sub(2);
    let mut to_come = order.len();
    for (_, index) in order {
        let (beside, value) = members[index];
        let share = left / to_come;
        to_come -= 1;
        if share < beside + LEFT_OUT_BYTES && share < beside + value.to_string().len() {
            continue;
        }
        let short = shortened(value, share - beside);
        left = left.saturating_sub(beside + short.to_string().len());
        told[index] = Some(short);
    }
    told
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(before: &Value, after: &Value) -> [Value; 2] {
        told(&Some(before.clone()), &Some(after.clone())).map(|text| serde_json::from_str(&text.unwrap()).unwrap())
    }

    #[test]
    fn what_is_small_is_told_whole() {
        let (before, after) = (json!({"a": 1, "b": [1, 2]}), json!({"a": 1, "b": [2]}));
        assert_eq!(of(&before, &after), [before, after]);
        assert_eq!(told(&None, &Some(json!(1))), [None, Some("1".to_owned())]);
    }

    #[test]
    fn a_small_change_is_told_whatever_stands_beside_it() {
        let padding = "z".repeat(60_000);
        let many: Map<String, Value> = (0..3_000).map(|n| (format!("k{n}"), json!(n.to_string()))).collect();
        let settings =
            |http: Value, config: Value| json!({"timeout": "5s", "grants": {"http": http, "config": config}});
        for (before, after) in [
            (json!({"pad": padding}), json!({"pad": padding})),
            (json!({"pad": padding}), json!({})),
            (json!({}), json!({"pad": padding, "pad2": padding})),
            (json!({"pad": padding}), Value::Object(many)),
        ] {
            let [before, after] =
                of(&settings(json!(["a.example"]), before), &settings(json!(["a.example", "evil.example"]), after));
            assert_eq!((&before["timeout"], &before["grants"]["http"]), (&Value::Null, &json!([])), "it is the same");
            assert_eq!(after["grants"]["http"], json!(["evil.example"]), "{after}");
        }
        let [_, after] = of(&json!({}), &json!({"pad": padding, "list": ["x".repeat(20_000), "evil.example"]}));
        assert_eq!(after["pad"], json!({LEFT_OUT: 60_002}));
        assert_eq!(after["list"], json!([{LEFT_OUT: 20_002}, "evil.example"]));
        let [_, text] = told(&None, &Some(json!(padding)));
        assert_eq!(text.unwrap(), r#"{"left_out_bytes":60002}"#);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(|number| json!(number)),
            (0usize..9_000, "[a-z\"]").prop_map(|(times, text)| json!(text.repeat(times))),
        ];
        leaf.prop_recursive(4, 64, 12, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..12).prop_map(Value::Array),
                prop::collection::btree_map("[a-z]{1,40}", inner, 0..12)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_has_a_bound(before in value(), after in value()) {
            for facts in told(&Some(before), &Some(after)).into_iter().flatten() {
                prop_assert!(facts.len() <= FACTS_BYTES_MAX, "{}", facts.len());
            }
        }
    }
}
