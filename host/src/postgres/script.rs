//! Where statements of a script end, as the server's own lexer and `psql` tell: behind semicolons that stand in no comment, string,
//! quoted name, brackets or body of a function. Each statement is sent by itself, and the server takes one at a time: a cut in the
//! wrong place is a mistake of syntax there, never a statement that nobody has looked at.

use std::ops::Range;

/// What a text consists of, as far as its statements tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// A keyword or a name.
    Word,
    Semicolon,
    Opens,
    Closes,
    /// A string, a number, a quoted name, an operator.
    Other,
}

/// The statements of a script, those without a word left out.
pub(super) fn statements(script: &str) -> Vec<&str> {
    let (mut cut, mut from) = (Vec::new(), None);
    let mut body = Body::default();
    for (token, range) in tokens(script) {
        if token == Token::Semicolon && !body.is_inside() {
            cut.extend(from.take().map(|from| &script[from..range.start]));
            body = Body::default();
            continue;
        }
        from.get_or_insert(range.start);
        body.meets(token, &script[range]);
    }
    cut.extend(from.map(|from| &script[from..]));
    cut
}

/// The words a statement begins with, at most so many.
pub(super) fn first_words(statement: &str, most: usize) -> Vec<&str> {
    let words = tokens(statement).skip_while(|(token, _)| *token == Token::Semicolon);
    words.map_while(|(token, range)| (token == Token::Word).then(|| &statement[range])).take(most).collect()
}

/// Whether a statement goes on behind a semicolon: in brackets (`CREATE RULE … DO (…; …)`), or in the body of a function that is
/// written without quotes (`BEGIN ATOMIC … END`).
#[derive(Default)]
struct Body {
    brackets: usize,
    words: Vec<String>,
    begins: usize,
}

/// As many words say that a function is made: `CREATE OR REPLACE FUNCTION`.
const FUNCTION_WORDS: usize = 4;

impl Body {
    fn is_inside(&self) -> bool {
        self.brackets > 0 || self.begins > 0
    }

    fn meets(&mut self, token: Token, text: &str) {
        match token {
            Token::Opens => self.brackets += 1,
            Token::Closes => self.brackets = self.brackets.saturating_sub(1),
            Token::Word => self.meets_word(&text.to_ascii_lowercase()),
            Token::Semicolon | Token::Other => {}
        }
    }

    fn meets_word(&mut self, word: &str) {
        if self.words.len() < FUNCTION_WORDS {
            self.words.push(word.to_owned());
        }
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let is_function = match words[..] {
            ["create", "or", "replace", what] | ["create", what, ..] => matches!(what, "function" | "procedure"),
            _ => false,
        };
        if !is_function || self.brackets > 0 {
            return;
        }
        match word {
            "begin" => self.begins += 1,
            // It ends with `END` as well.
            "case" if self.begins > 0 => self.begins += 1,
            "end" => self.begins = self.begins.saturating_sub(1),
            _ => {}
        }
    }
}

/// What a text consists of. Blanks and comments are nothing.
fn tokens(text: &str) -> impl Iterator<Item = (Token, Range<usize>)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        at = behind_nothing(text, at);
        let first = *text.as_bytes().get(at)?;
        let from = at;
        let token;
        (token, at) = match first {
            b';' => (Token::Semicolon, at + 1),
            b'(' => (Token::Opens, at + 1),
            b')' => (Token::Closes, at + 1),
            b'\'' | b'"' => (Token::Other, behind_quotes(text, at, false)),
            b'$' => (Token::Other, behind_dollars(text, at)),
            b'0'..=b'9' => (Token::Other, behind(text, at, goes_on_number)),
            _ if begins_word(first) => {
                let end = behind(text, at, goes_on_word);
                let is_escaped = text[at..end].eq_ignore_ascii_case("e") && text.as_bytes().get(end) == Some(&b'\'');
                if is_escaped { (Token::Other, behind_quotes(text, end, true)) } else { (Token::Word, end) }
            }
            _ => (Token::Other, at + 1),
        };
        Some((token, from..at))
    })
}

/// Bytes beyond ASCII are letters to the server; what is cut is cut at ASCII, so in front of a letter.
fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

fn goes_on_word(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn goes_on_number(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')
}

fn behind(text: &str, from: usize, goes_on: fn(u8) -> bool) -> usize {
    let length = text.as_bytes()[from..].iter().take_while(|byte| goes_on(**byte)).count();
    from + length
}

/// Behind blanks and comments.
fn behind_nothing(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    loop {
        at = behind(text, at, is_blank);
        at = match bytes.get(at..at + 2) {
            Some(b"--") => behind(text, at, |byte| !matches!(byte, b'\n' | b'\r')),
            Some(b"/*") => behind_comment(bytes, at),
            _ => return at,
        };
    }
}

/// As the server has it: other blanks of Unicode are letters there.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Comments stand in each other.
fn behind_comment(bytes: &[u8], from: usize) -> usize {
    let (mut at, mut depth) = (from + 2, 1_usize);
    while depth > 0 && at < bytes.len() {
        match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

/// Behind a string or a quoted name, in which its quote stands twice. An escaped string goes on in the next line, escaped.
fn behind_quotes(text: &str, from: usize, is_escaped: bool) -> usize {
    let bytes = text.as_bytes();
    let quote = bytes[from];
    let mut at = from + 1;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        let is_twice = byte == quote && bytes.get(at) == Some(&quote);
        if is_twice || (byte == b'\\' && is_escaped) {
            at += 1;
        } else if byte == quote {
            let next = behind(text, at, is_blank);
            let is_continued = is_escaped && bytes.get(next) == Some(&quote) && text[at..next].contains(['\n', '\r']);
            if !is_continued {
                return at;
            }
            at = next + 1;
        }
    }
    bytes.len()
}

/// Behind `$tag$ … $tag$`; a lone `$`, and the number of a parameter, are themselves.
fn behind_dollars(text: &str, from: usize) -> usize {
    let end = match text.as_bytes().get(from + 1) {
        Some(&first) if begins_word(first) => behind(text, from + 1, |byte| byte != b'$' && goes_on_word(byte)),
        Some(_) | None => from + 1,
    };
    if text.as_bytes().get(end) != Some(&b'$') {
        return from + 1;
    }
    let tag = &text[from..=end];
    text[end + 1..].find(tag).map_or(text.len(), |found| end + 1 + found + tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_cut_where_the_server_would() {
        let function = "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END";
        for (script, cut) in [
            ("", vec![]),
            (" ;; -- a ; b\n /* c; /* d; */ ; */ ;", vec![]),
            ("SELECT 1; SELECT 2 ", vec!["SELECT 1", "SELECT 2 "]),
            ("SELECT 1; /*;*/ COMMIT", vec!["SELECT 1", "COMMIT"]),
            ("/* /* */ COMMIT; */ SELECT 1;END;", vec!["SELECT 1", "END"]),
            ("SELECT ';', 'it''s;', \"a;\"\"b\"; COMMIT", vec!["SELECT ';', 'it''s;', \"a;\"\"b\"", "COMMIT"]),
            // Nothing but an escaped string has escapes.
            ("SELECT '\\'; COMMIT; SELECT '1'", vec!["SELECT '\\'", "COMMIT", "SELECT '1'"]),
            ("SELECT E'\\'; x', e'\\\\'; COMMIT", vec!["SELECT E'\\'; x', e'\\\\'", "COMMIT"]),
            ("SELECT E'a'\n '\\'; b'; COMMIT", vec!["SELECT E'a'\n '\\'; b'", "COMMIT"]),
            ("SELECT name'\\'; COMMIT", vec!["SELECT name'\\'", "COMMIT"]),
            ("DO $$ BEGIN x; END $$; COMMIT", vec!["DO $$ BEGIN x; END $$", "COMMIT"]),
            ("DO $a$ $$;$b$; $a$; COMMIT", vec!["DO $a$ $$;$b$; $a$", "COMMIT"]),
            // A dollar in a name, or with a number, opens nothing.
            ("SELECT a$$; COMMIT; SELECT b$$", vec!["SELECT a$$", "COMMIT", "SELECT b$$"]),
            ("SELECT $1; COMMIT; SELECT $1", vec!["SELECT $1", "COMMIT", "SELECT $1"]),
            ("DO $é$ ; $é$; COMMIT", vec!["DO $é$ ; $é$", "COMMIT"]),
            (
                "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); COMMIT",
                vec!["CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", "COMMIT"],
            ),
            (&format!("{function}; COMMIT"), vec![function, "COMMIT"]),
            ("SELECT 'open; COMMIT", vec!["SELECT 'open; COMMIT"]),
            ("SELECT $a$; COMMIT", vec!["SELECT $a$; COMMIT"]),
            ("é; ü/", vec!["é", "ü/"]),
        ] {
            assert_eq!(statements(script), cut, "{script}");
        }
    }

    #[test]
    fn the_first_words_are_those_before_anything_else() {
        assert_eq!(first_words("; /**/ SET -- \n Session x = 1", 3), ["SET", "Session", "x"]);
        assert_eq!(first_words("(SELECT 1)", 3), [""; 0]);
        assert_eq!(first_words("RESET \"all\"", 3), ["RESET"]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_cut(script in "[ae1$;'\"\\\\/*()\\-\né ]{0,40}") {
            for statement in statements(&script) {
                proptest::prop_assert!(!statement.is_empty() && script.contains(statement));
            }
        }
    }
}
