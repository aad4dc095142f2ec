use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

#[test]
fn the_words_are_what_the_list_says() {
    let words = words();
    assert_eq!(words.len(), WORD_COUNT);
    assert!(words.is_sorted());
    assert!(words.iter().all(|word| (3..=8).contains(&word.len())));
    assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())));
    let starts: HashSet<_> = words.iter().map(|word| word.get(..4).unwrap_or(word)).collect();
    assert_eq!(starts.len(), WORD_COUNT, "four letters tell them apart");
    assert!(words.windows(2).all(|pair| !pair[1].starts_with(pair[0])), "none begins another");
}

#[test]
fn codes_are_read_as_people_write_them() {
    let code = SpokenCode::parse("7-amber-violin").unwrap();
    assert_eq!((code.nameplate, code.to_string().as_str()), (7, "7-amber-violin"));
    for text in [
        "7 amber violin",
        " 7-Amber-VIOLIN\n",
        "7. amber, violin.",
        "7--amber - violin",
        "7\u{2013}amber\u{a0}violin",
        "007_amber_violin",
    ] {
        assert_eq!(text.parse(), Ok(code), "{text:?}");
    }
}

#[test]
fn what_is_wrong_with_a_code_is_said() {
    let unknown = |word: &str| SpokenError::UnknownWord { word: word.to_owned() };
    for (text, error) in [
        ("", SpokenError::Empty),
        (" - .", SpokenError::Empty),
        ("amber violin", SpokenError::NoNameplate),
        ("+7 amber violin", SpokenError::NoNameplate),
        ("4294967296 amber violin", SpokenError::NoNameplate),
        ("7", SpokenError::NotTwoWords),
        ("7 amber", SpokenError::NotTwoWords),
        ("7 amber violin tuba", SpokenError::NotTwoWords),
        ("7 amber violinist", unknown("violinist")),
        ("7 Ämber violin", unknown("ämber")),
        ("7 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa violin", unknown(&"a".repeat(SHOWN_CHARS_MAX))),
    ] {
        assert_eq!(SpokenCode::parse(text), Err(error), "{text}");
    }
}

#[test]
fn words_are_completed_while_typing() {
    assert_eq!(complete("Amb").collect::<Vec<_>>(), ["amber"]);
    assert_eq!(complete("xy").count(), 0);
    assert_eq!(complete("").count(), WORD_COUNT);
    assert!(complete("z").all(|word| word.starts_with('z')) && complete("z").count() > 1);
}

#[test]
fn debug_shows_no_code() {
    assert_eq!(format!("{:?}", SpokenCode::new(7, [1; 4])), "SpokenCode(..)");
}

proptest! {
    #[test]
    fn every_code_comes_back(nameplate: u32, random: [u8; 4]) {
        let code = SpokenCode::new(nameplate, random);
        prop_assert_eq!(SpokenCode::parse(&code.to_string().to_uppercase().replace('-', "  ")), Ok(code));
    }

    #[test]
    fn foreign_text_never_panics(text in "\\PC{0,60}") {
        let _ = SpokenCode::parse(&text);
        let _ = complete(&text).count();
    }
}
