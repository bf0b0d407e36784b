//! The lexer of filters: from text to tokens.

/// A token of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// The name of a property, a function or an operator, as it was written.
    Word(&'a str),
    /// The text between quotes. A doubled quote in it stands for one.
    Text(String),
    Open,
    Close,
    Comma,
}

/// The tokens of a filter; `None` if it has a character that no filter has, or a quote that is not closed.
pub(super) fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let after = match first {
            '(' => sign(&mut found, Token::Open, rest)?,
            ')' => sign(&mut found, Token::Close, rest)?,
            ',' => sign(&mut found, Token::Comma, rest)?,
            '\'' => {
                let (value, after) = quoted(rest)?;
                found.push(Token::Text(value));
                after
            }
            _ => {
                let (word, after) = word(rest)?;
                found.push(Token::Word(word));
                after
            }
        };
        rest = after.trim_start();
    }
    Some(found)
}

fn sign<'a>(found: &mut Vec<Token<'a>>, token: Token<'a>, rest: &'a str) -> Option<&'a str> {
    found.push(token);
    rest.get(1..)
}

fn word(text: &str) -> Option<(&str, &str)> {
    let is_of_a_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '.');
    let end = text.find(|c| !is_of_a_word(c)).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end)?;
    (!word.is_empty()).then_some((word, rest))
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut value = String::new();
    loop {
        let (part, after) = rest.split_once('\'')?;
        value.push_str(part);
        match after.strip_prefix('\'') {
            Some(after) => {
                value.push('\'');
                rest = after;
            }
            None => return Some((value, after)),
        }
    }
}
