//! Tokens, statements and skeletons.

use super::super::refusal::Feature;
use super::super::scan::{Scanner, Scratch, TextRules};

/// The statements of a text with their skeletons; literals are shown as `#` and their kind.
fn scan(text: &str) -> Result<Vec<(String, String)>, Feature> {
    let (mut scanner, mut scratch) = (Scanner::new(text, true), Scratch::default());
    let mut found = Vec::new();
    while let Some(statement) = scanner.advance(&mut scratch).map_err(|refusal| refusal.feature)? {
        let shown = scratch.skeleton.iter().map(|byte| match byte {
            1..=8 => format!("#{byte}"),
            byte => char::from(*byte).to_string(),
        });
        found.push((statement.text.to_owned(), shown.collect()));
    }
    Ok(found)
}

fn skeleton(text: &str) -> String {
    scan(text).unwrap().remove(0).1
}

#[test]
fn skeletons_differ_only_with_tokens() {
    assert_eq!("select #1 , #3 from t where a = #1", skeleton("SELECT 1,'x'  FROM T/* c */WHERE a=2 -- end"));
    assert_eq!("\"A\" . \"b\"\"c\"", skeleton("\"A\".\"b\"\"c\""));
    assert_eq!("#2 #2 #2 #1", skeleton("1. .5 1.5e-3 7"));
    assert_eq!("#4 #5 #6 #7 #7 #8", skeleton(r"E'a\'b' $a$ ' $$ $a$ U&'x' , B'1' , X'f' , n'x'").replace(" ,", ""));
    assert_eq!("a = - #1 :: int", skeleton("a=-1::int"));
}

#[test]
fn operators_end_where_the_server_ends_them() {
    assert_eq!("a * - #1", skeleton("a*-1"));
    assert_eq!("a @- #1", skeleton("a@-1"));
    assert_eq!("a < - #1", skeleton("a<-1"));
    assert_eq!("a - #1", skeleton("a-/* */1"));
    assert_eq!("a >= - #1", skeleton("a>=-1"));
    assert_eq!("a ->> #3", skeleton("a->>'x'"));
    assert_eq!("a +", skeleton("a+--1"));
}

#[test]
fn semicolons_divide_only_outside_of_strings_names_and_comments() {
    let texts = |text| scan(text).unwrap().into_iter().map(|(text, _)| text).collect::<Vec<_>>();
    assert_eq!(vec!["a", "b"], texts("a;;b;"));
    assert_eq!(vec!["select ';' , $x$;$x$ , \";\""], texts("select ';' , $x$;$x$ , \";\" /* ; /* ; */ ; */ -- ;"));
    assert_eq!(vec![r"E'\';'"], texts(r"E'\';'"));
    assert_eq!(vec![r"'\'", "b"], texts(r"'\';b"));
    assert_eq!(vec!["a$$;b", "c$$"].len(), texts("a$$;c$$").len());
}

#[test]
fn unsafe_text_is_refused() {
    for (text, feature) in [
        ("'a", Feature::Unterminated),
        ("/* /* */", Feature::Unterminated),
        ("$a$ $b$", Feature::Unterminated),
        ("\"a", Feature::Unterminated),
        ("\"\"", Feature::EmptyName),
        ("'a'\n'b'", Feature::ContinuedString),
        ("'a' -- c\n 'b'", Feature::ContinuedString),
        ("B'0''1'", Feature::ContinuedString),
        ("1x", Feature::NumberJunk),
        ("0x10", Feature::NumberJunk),
        ("1_000", Feature::NumberJunk),
        ("1.2.3", Feature::NumberJunk),
        ("$1a", Feature::NumberJunk),
        ("$0", Feature::NumberJunk),
        ("$70000", Feature::NumberJunk),
        ("$a", Feature::StrayDollar),
        ("a\u{b}b", Feature::BadCharacter),
        ("(;)", Feature::Unbalanced),
        (")", Feature::Unbalanced),
        ("/* covet: shard=a */ /* covet: shard=b */ x", Feature::HintPlace),
        ("/* covet: shard=a b */ x", Feature::HintUnknown),
    ] {
        assert_eq!(Err(feature), scan(text), "{text}");
    }
    assert_eq!(Err(Feature::LongName), scan(&"a".repeat(64)));
    assert!(scan(&"a".repeat(63)).is_ok());
}

#[test]
fn a_backslash_is_refused_while_strings_do_not_conform() {
    let mut scanner = Scanner::new(r"select 'a\' , ' ; delete'", false);
    let found = scanner.advance(&mut Scratch::default()).map_err(|refusal| refusal.feature);
    assert_eq!(Err(Feature::Backslash), found);
}

#[test]
fn only_utf8_may_send_more_than_ascii() {
    let sjis = TextRules { conforming: true, utf8: false };
    assert_eq!(Ok("select 'a'"), sjis.read(b"select 'a'"));
    assert_eq!(Feature::UnsafeEncoding, sjis.read(b"'\x95\\'").unwrap_err().feature);
    assert_eq!(Feature::Encoding, TextRules::default().read(b"'\xff'").unwrap_err().feature);
    assert_eq!(Feature::BadCharacter, TextRules::default().read(b"a\0b").unwrap_err().feature);
    assert_eq!(Ok("'\u{e9}'"), TextRules::default().read("'\u{e9}'".as_bytes()));
}
