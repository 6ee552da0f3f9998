//! Attempts to bring a statement, an override or another's template past the router.

use super::super::refusal::Feature;
use super::super::rewrite;
use super::super::scan::{Scanner, Scratch};
use super::super::template::{ColumnType, KeyColumn, Plan, ValuePlace, ValueSource};
use super::super::value::{KeyValue, Parameter, Values};
use super::super::{Templates, explain};
use super::Cluster;

#[test]
fn a_template_is_used_for_other_values_only() {
    let cluster = Cluster::of_cases();
    let mut templates = Templates::new(100, 1 << 20);
    let mut found = std::collections::BTreeSet::new();
    for key in 1..50 {
        let text = format!("SELECT * FROM customers WHERE tenant_id = {key}");
        let decision = cluster.decide_with(&mut templates, &text, &[]).unwrap();
        let id = cluster.map.lookup("default", covet_ring::Key::Bigint(key)).unwrap().id;
        assert_eq!(format!("shard s{id}"), decision);
        found.insert(decision);
    }
    assert_eq!((48, 1), templates.counts());
    assert_eq!(4, found.len());
    let text = "SELECT * FROM customers WHERE tenant_id = '7'";
    cluster.decide_with(&mut templates, text, &[]).unwrap();
    assert_eq!((48, 2), templates.counts());
}

#[test]
fn what_depends_on_a_literal_is_not_cached() {
    let cluster = Cluster::of_cases();
    let mut templates = Templates::new(100, 1 << 20);
    let set = |templates: &mut Templates, value: &str| {
        let text = format!("SET standard_conforming_strings = '{value}'");
        cluster.decide_with(templates, &text, &[]).map_err(|refusal| refusal.feature)
    };
    assert_eq!(Ok("session".to_owned()), set(&mut templates, "on"));
    assert_eq!(Err(Feature::Setting), set(&mut templates, "off"));
    assert!(templates.is_empty());
}

#[test]
fn the_cache_stays_within_its_bounds() {
    let cluster = Cluster::of_cases();
    let mut templates = Templates::new(10, 1 << 20);
    for number in 0..100 {
        let _ = cluster.decide_with(&mut templates, &format!("SELECT a{number}"), &[]);
    }
    assert!(templates.len() <= 20, "{}", templates.len());
    let mut small = Templates::new(1000, 200);
    for number in 0..100 {
        let _ = cluster.decide_with(&mut small, &format!("SELECT a{number}"), &[]);
    }
    assert!(small.len() <= 40, "{}", small.len());
}

#[test]
fn text_in_strings_and_comments_hints_at_nothing() {
    let cluster = Cluster::of_cases();
    for text in [
        "SELECT '/* covet: shard=s1 */'",
        "SELECT $$ /* covet: shard=s1 */ $$",
        "/* /* covet: shard=s1 */ */ SELECT 1",
        "/* covet: shard=s1 */ ; SELECT 1",
        "/* a covet: shard=s1 */ SELECT 1",
    ] {
        assert_eq!(Ok("any".to_owned()), cluster.decide(text, &[]), "{text}");
    }
}

#[test]
fn a_parameter_is_read_by_its_own_type() {
    let column = |ty| KeyColumn { group: "default".to_owned(), name: "k".to_owned(), ty };
    let place = |once| ValuePlace { source: ValueSource::Param { number: 1, once }, negative: false, cast: None };
    let read = |ty, oid, binary, once, bytes: &[u8]| {
        let params = [Parameter { value: Some(bytes), binary, oid }];
        let values = Values { text: "", literals: &[], params: &params, utf8: true };
        values.read(&place(once), &column(ty)).map_err(|refusal| refusal.feature).map(|value| format!("{value:?}"))
    };
    let number = |value: i64| Ok(format!("{:?}", KeyValue::Bigint(value)));
    assert_eq!(number(-2), read(ColumnType::BigInt, 0, true, true, &(-2_i64).to_be_bytes()));
    assert_eq!(number(-2), read(ColumnType::BigInt, 23, true, false, &(-2_i32).to_be_bytes()));
    assert_eq!(number(7), read(ColumnType::Integer, 20, true, true, &7_i64.to_be_bytes()));
    assert_eq!(Err(Feature::KeyRange), read(ColumnType::Integer, 20, true, true, &(1_i64 << 40).to_be_bytes()));
    assert_eq!(Err(Feature::KeyText), read(ColumnType::BigInt, 0, true, true, &7_i32.to_be_bytes()));
    // A double has eight bytes as well.
    assert_eq!(Err(Feature::ParameterType), read(ColumnType::BigInt, 701, true, true, &7_f64.to_be_bytes()));
    assert_eq!(Err(Feature::ParameterType), read(ColumnType::BigInt, 0, true, false, &7_i64.to_be_bytes()));
    assert_eq!(Err(Feature::KeyType), read(ColumnType::BigInt, 25, false, true, b"7"));
    assert_eq!(number(7), read(ColumnType::BigInt, 705, false, true, b" 7"));
    assert_eq!(Err(Feature::KeyText), read(ColumnType::Uuid, 2950, true, true, &[0; 15]));
    assert_eq!(Err(Feature::Encoding), read(ColumnType::Text, 25, true, true, b"\xff"));
}

#[test]
fn a_divided_insert_keeps_every_row_once() {
    let cluster = Cluster::of_cases();
    let text =
        "INSERT INTO customers (tenant_id, name) VALUES (1, 'a)'), (2, '(b'),\n (3, $$),($$) ON CONFLICT DO NOTHING";
    let mut scratch = Scratch::default();
    let statement = Scanner::new(text, true).advance(&mut scratch).unwrap().unwrap();
    let template = Templates::new(1, 1 << 10).template(text, &statement, &scratch, &cluster.context());
    let Ok(Plan::Rows(rows)) = &template.plan else { panic!("{template:?}") };
    let part = |chosen: &[usize]| rewrite::with_rows(statement.text, rows, chosen, true).unwrap();
    let (head, tail) = ("INSERT INTO customers (tenant_id, name) VALUES ", " ON CONFLICT DO NOTHING");
    assert_eq!(format!("{head}(1, 'a)'), (3, $$),($$){tail}"), part(&[0, 2]));
    assert_eq!(format!("{head}(2, '(b'){tail}"), part(&[1]));
}

#[test]
fn explain_covet_tells_key_slot_and_shard() {
    let cluster = Cluster::of_cases();
    let text = "SELECT * FROM customers WHERE tenant_id = 42";
    let mut scratch = Scratch::default();
    let statement = Scanner::new(text, true).advance(&mut scratch).unwrap().unwrap();
    let template = Templates::new(1, 1 << 10).template(text, &statement, &scratch, &cluster.context());
    let values = Values { text, literals: &scratch.literals, params: &[], utf8: true };
    let lines = explain::lines(&template, &values, None, &cluster.map);
    let fingerprint = format!("fingerprint: {:016x}", template.fingerprint);
    let wanted = [
        "kind: read",
        &fingerprint,
        "map epoch: 1",
        "tables: public.customers",
        "group: default",
        "key: tenant_id = 42 (literal 1), slot 14732, shard s3",
        "runs: on s3",
    ];
    assert_eq!(wanted.as_slice(), lines.as_slice());
}

#[test]
fn rows_of_copy_go_to_the_owners_of_their_keys() {
    let cluster = Cluster::of_cases();
    let text = "COPY customers (name, tenant_id) FROM STDIN";
    let mut scratch = Scratch::default();
    let statement = Scanner::new(text, true).advance(&mut scratch).unwrap().unwrap();
    let template = Templates::new(1, 1 << 10).template(text, &statement, &scratch, &cluster.context());
    let Ok(Plan::CopyRows(copy)) = &template.plan else { panic!("{template:?}") };
    let shard =
        |line: &[u8]| super::super::copy::shard_of_row(line, copy, &cluster.map).map_err(|refusal| refusal.feature);
    assert_eq!(Ok(3), shard(b"a\t42"));
    assert_eq!(Ok(3), shard(b"a\\\tb\t42\tmore"));
    assert_eq!(Err(Feature::KeyNull), shard(b"a\t\\N"));
    assert_eq!(Err(Feature::InsertWithoutKey), shard(b"a"));
    assert_eq!(Err(Feature::KeyText), shard(b"a\tx"));
    assert_eq!(Err(Feature::KeyEscape), shard(b"a\t\\x34"));
}
