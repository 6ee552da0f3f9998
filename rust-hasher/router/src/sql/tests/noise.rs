//! Whatever the text, there is a decision or a refusal, and no panic; the same seed every time.

use super::super::Templates;
use super::super::refusal::Feature;
use super::super::scan::TextRules;
use super::super::value::Parameter;
use super::{Cluster, cases};

/// Marsaglia's xorshift64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.roll(list.len())]
    }
}

const PIECES: &[&str] = &[
    "select",
    "from",
    "where",
    "customers",
    "c",
    "tenant_id",
    "=",
    "42",
    "'42'",
    "$1",
    "and",
    "or",
    "not",
    "(",
    ")",
    ",",
    ";",
    "in",
    "between",
    "insert into",
    "values",
    "update",
    "set",
    "delete from",
    "--",
    "/*",
    "*/",
    "\n",
    "'",
    "\"",
    "$$",
    "$a$",
    "E'",
    "\\",
    "::",
    "int",
    "-",
    "+",
    "*",
    ".",
    "..",
    "1.5",
    "null",
    "default",
    "join",
    "left join",
    "on",
    "using",
    "case",
    "when",
    "then",
    "end",
    "copy",
    "stdin",
    "explain",
    "covet",
    "/* covet: shard=s1 */",
    "[",
    "]",
    "array",
    "cast",
    "as",
    "limit",
    "order by",
    "count",
    "over",
    "is",
    "like",
    "collate",
    "\u{e9}",
    "\u{0}",
    "@-",
];

#[test]
fn random_text_is_decided_or_refused() {
    let cluster = Cluster::of_cases();
    let mut templates = Templates::new(50, 1 << 16);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let params = [Parameter { value: Some(b"42"), binary: false, oid: 0 }];
    let mut decided = 0;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..=dice.roll(14) {
            text.push_str(dice.pick(PIECES));
            text.push_str(dice.pick(&[" ", " ", " ", ""]));
        }
        decided += u32::from(cluster.decide_with(&mut templates, &text, &params).is_ok());
    }
    assert!(decided > 0);
}

#[test]
fn damaged_statements_are_decided_or_refused() {
    let cluster = Cluster::of_cases();
    let mut templates = Templates::new(50, 1 << 16);
    let mut dice = Dice(42);
    for section in cases()["sections"].as_array().unwrap() {
        for case in section["cases"].as_array().unwrap() {
            for _ in 0..40 {
                let mut bytes = case[0].as_str().unwrap().as_bytes().to_vec();
                for _ in 0..=dice.roll(3) {
                    let at = dice.roll(bytes.len());
                    match dice.roll(3) {
                        0 => bytes[at] = u8::try_from(dice.roll(256)).unwrap(),
                        1 => drop(bytes.remove(at)),
                        _ => bytes.truncate(at.max(1)),
                    }
                    if bytes.is_empty() {
                        bytes.push(b' ');
                    }
                }
                if let Ok(text) = TextRules::default().read(&bytes) {
                    let _ = cluster.decide_with(&mut templates, text, &[]);
                }
            }
        }
    }
}

#[test]
fn nesting_ends_in_a_refusal_before_the_stack_does() {
    let cluster = Cluster::of_cases();
    let deep = 100_000;
    for text in [
        format!("SELECT {}1{}", "(".repeat(deep), ")".repeat(deep)),
        format!("SELECT {}1", "- ".repeat(deep)),
        format!("SELECT {}1", "NOT ".repeat(deep)),
        format!("SELECT 1{}", "+1".repeat(deep)),
        format!("SELECT 1{}", "::int".repeat(deep)),
        format!("SELECT {}1", "CASE ".repeat(deep)),
        format!("SELECT ARRAY{}1{}", "[".repeat(deep), "]".repeat(deep)),
        format!("SELECT {}1", "EXPLAIN ".repeat(deep)).replacen("SELECT ", "", 1),
    ] {
        let feature = cluster.decide(&text, &[]).unwrap_err().feature;
        assert!(matches!(feature, Feature::TooDeep | Feature::Syntax), "{feature:?}");
    }
    // The most that is let through: chains within parentheses within chains.
    let mut widest = "1".to_owned();
    for _ in 0..25 {
        widest = format!("({widest}){}", "+1".repeat(250));
    }
    assert_eq!(Ok("any".to_owned()), cluster.decide(&format!("SELECT {widest}"), &[]));
}
