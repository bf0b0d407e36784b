//! Parses the expressions of templates, such as `[concat('a', parameters('b').c[0])]`, into a tree.
//!
//! The evaluator calls this for every string of a template and for the keys of its objects. This module only parses;
//! the evaluator knows the functions. Length and nesting are limited.

use super::error::{ExpressionError, MAX_LENGTH};

/// The maximum nesting depth of calls.
const MAX_DEPTH: usize = 48;

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// `'text'`.
    Text(String),
    /// `12`.
    Integer(i64),
    /// `name(arguments)`.
    Call {
        /// The name as written; letter case is ignored.
        name: String,
        /// The arguments in the parentheses.
        arguments: Vec<Self>,
    },
    /// `value.name`, `value['name']`, `value[0]`, one after another.
    Access {
        /// The value that the steps start from.
        of: Box<Self>,
        /// The steps: names and indexes.
        steps: Vec<Self>,
    },
}

/// A string of a template: literal text or an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// Literal text. `[[x]` is the text `[x]`.
    Literal(String),
    /// An expression to evaluate.
    Expression(Expression),
}

impl Text {
    /// Parses a string.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
            return Ok(Self::Literal(text.to_owned()));
        };
        if inner.starts_with('[') {
            return Ok(Self::Literal(format!("{inner}]")));
        }
        if inner.len() > MAX_LENGTH {
            return Err(ExpressionError::TooLong { length: inner.len() });
        }
        let mut reader = Reader { text: inner, at: 0, depth: 0 };
        let expression = reader.expression()?;
        match reader.next()? {
            Token::End => Ok(Self::Expression(expression)),
            other => Err(reader.unexpected("EndOfData", &other)),
        }
    }
}

/// A token of an expression.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Integer(i64),
    Text(String),
    Open,
    Close,
    OpenIndex,
    CloseIndex,
    Comma,
    Dot,
    End,
}

impl Token {
    /// Azure's name for the token.
    fn name(&self) -> &'static str {
        match self {
            Self::Name(_) => "Identifier",
            Self::Integer(_) => "Integer",
            Self::Text(_) => "String",
            Self::Open => "LeftParenthesis",
            Self::Close => "RightParenthesis",
            Self::OpenIndex => "LeftSquareBracket",
            Self::CloseIndex => "RightSquareBracket",
            Self::Comma => "Comma",
            Self::Dot => "Dot",
            Self::End => "EndOfData",
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn expression(&mut self) -> Result<Expression, ExpressionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ExpressionError::TooDeep);
        }
        let first = match self.next()? {
            Token::Text(text) => Expression::Text(text),
            Token::Integer(number) => Expression::Integer(number),
            Token::Name(name) => self.call(name)?,
            other => return Err(self.unexpected("Identifier', 'String' or 'Integer", &other)),
        };
        let steps = self.steps()?;
        self.depth -= 1;
        Ok(if steps.is_empty() { first } else { Expression::Access { of: Box::new(first), steps } })
    }

    /// Parses the rest of a function call after its name.
    fn call(&mut self, mut name: String) -> Result<Expression, ExpressionError> {
        // User-defined functions have a namespace before their name.
        if self.peek()? == Token::Dot {
            self.next()?;
            match self.next()? {
                Token::Name(member) => name = format!("{name}.{member}"),
                other => return Err(self.unexpected("Identifier", &other)),
            }
        }
        match self.next()? {
            Token::Open => {}
            other => return Err(self.unexpected("LeftParenthesis", &other)),
        }
        let mut arguments = Vec::new();
        if self.peek()? == Token::Close {
            self.next()?;
            return Ok(Expression::Call { name, arguments });
        }
        loop {
            arguments.push(self.expression()?);
            match self.next()? {
                Token::Comma => {}
                Token::Close => return Ok(Expression::Call { name, arguments }),
                other => return Err(self.unexpected("RightParenthesis", &other)),
            }
        }
    }

    fn steps(&mut self) -> Result<Vec<Expression>, ExpressionError> {
        let mut steps = Vec::new();
        loop {
            match self.peek()? {
                Token::Dot => {
                    self.next()?;
                    match self.next()? {
                        Token::Name(name) => steps.push(Expression::Text(name)),
                        other => return Err(self.unexpected("Identifier", &other)),
                    }
                }
                Token::OpenIndex => {
                    self.next()?;
                    let key = self.expression()?;
                    match self.next()? {
                        Token::CloseIndex => steps.push(key),
                        other => return Err(self.unexpected("RightSquareBracket", &other)),
                    }
                }
                _ => return Ok(steps),
            }
        }
    }

    fn peek(&mut self) -> Result<Token, ExpressionError> {
        let at = self.at;
        let token = self.next();
        self.at = at;
        token
    }

    fn next(&mut self) -> Result<Token, ExpressionError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        let Some(first) = trimmed.chars().next() else { return Ok(Token::End) };
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '[' => (Token::OpenIndex, 1),
            ']' => (Token::CloseIndex, 1),
            ',' => (Token::Comma, 1),
            '.' => (Token::Dot, 1),
            '\'' => self.quoted(trimmed)?,
            '-' | '0'..='9' => {
                let digits = trimmed.bytes().skip(1).take_while(u8::is_ascii_digit).count();
                let text = trimmed.get(..=digits).unwrap_or_default();
                let number = text.parse().map_err(|_| self.bad_word(text))?;
                (Token::Integer(number), text.len())
            }
            _ if first.is_alphabetic() || first == '_' || first == '$' => {
                let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
                let length = trimmed.find(|c| !is_part(c)).unwrap_or(trimmed.len());
                (Token::Name(trimmed.get(..length).unwrap_or_default().to_owned()), length)
            }
            other => return Err(self.bad_word(other.to_string().as_str())),
        };
        self.at += length;
        Ok(token)
    }

    /// A quoted string, where two quotes stand for one, and its length with the quotes.
    fn quoted(&self, from: &str) -> Result<(Token, usize), ExpressionError> {
        let mut text = String::new();
        let mut characters = from.char_indices().skip(1).peekable();
        while let Some((at, character)) = characters.next() {
            if character != '\'' {
                text.push(character);
            } else if characters.next_if(|(_, next)| *next == '\'').is_some() {
                text.push('\'');
            } else {
                return Ok((Token::Text(text), at + 1));
            }
        }
        Err(self.unexpected("Quote", &Token::End))
    }

    fn unexpected(&self, expected: &'static str, actual: &Token) -> ExpressionError {
        ExpressionError::Syntax {
            expression: self.text.to_owned(),
            expected,
            actual: actual.name(),
        }
    }

    fn bad_word(&self, word: &str) -> ExpressionError {
        ExpressionError::Word { expression: self.text.to_owned(), word: word.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Expression {
        match Text::parse(text) {
            Ok(Text::Expression(expression)) => expression,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn call(name: &str, arguments: Vec<Expression>) -> Expression {
        Expression::Call { name: name.to_owned(), arguments }
    }

    fn text(text: &str) -> Expression {
        Expression::Text(text.to_owned())
    }

    #[test]
    fn texts_without_expressions_stay_unchanged() {
        for (written, meant) in [
            ("", ""),
            ("plain", "plain"),
            ("[[x]", "[x]"),
            ("[[concat('a')]", "[concat('a')]"),
            ("[x", "[x"),
            ("[[x", "[[x"),
            ("x]", "x]"),
            (" [x]", " [x]"),
            ("[", "["),
        ] {
            assert_eq!(Text::parse(written), Ok(Text::Literal(meant.to_owned())), "{written}");
        }
    }

    #[test]
    fn calls_texts_numbers_and_accesses_are_read() {
        assert_eq!(read("['it''s']"), text("it's"));
        assert_eq!(read("['']"), text(""));
        assert_eq!(read("[-12]"), Expression::Integer(-12));
        assert_eq!(
            read("[ concat ( 'a' ,\r\n  b( ) ) ]"),
            call("concat", vec![text("a"), call("b", vec![])])
        );
        assert_eq!(
            read("[a().b['c'][0].d[e()]]"),
            Expression::Access {
                of: Box::new(call("a", vec![])),
                steps: vec![
                    text("b"),
                    text("c"),
                    Expression::Integer(0),
                    text("d"),
                    call("e", vec![]),
                ],
            }
        );
        assert_eq!(read("[own.name('x')]"), call("own.name", vec![text("x")]));
    }

    #[test]
    fn invalid_expressions_are_refused_with_azures_messages() {
        for (written, message) in [
            (
                "[concat('a']",
                "Unable to parse language expression 'concat('a'': expected token 'RightParenthesis' and actual 'EndOfData'.",
            ),
            (
                "[name]",
                "Unable to parse language expression 'name': expected token 'LeftParenthesis' and actual 'EndOfData'.",
            ),
            (
                "[a()b()]",
                "Unable to parse language expression 'a()b()': expected token 'EndOfData' and actual 'Identifier'.",
            ),
            (
                "['a]",
                "Unable to parse language expression ''a': expected token 'Quote' and actual 'EndOfData'.",
            ),
        ] {
            assert_eq!(Text::parse(written).unwrap_err().to_string(), message);
        }
        for written in [
            "[]",
            "[a(]",
            "[a(,)]",
            "[a()..b]",
            "[a().?b]",
            "[a()[]]",
            "[%]",
            "[99999999999999999999]",
            "[-]",
            "[\"a\"]",
        ] {
            assert!(Text::parse(written).is_err(), "{written}");
        }
    }

    #[test]
    fn an_expression_is_bounded_in_length_and_depth() {
        let deep = format!("[{}1{}]", "a(".repeat(MAX_DEPTH - 1), ")".repeat(MAX_DEPTH - 1));
        let too_deep = format!("[{}1{}]", "a(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
        let long = format!("[a(){}]", ".b".repeat(10_000));
        let too_long = format!("['{}']", "x".repeat(MAX_LENGTH));

        assert!(Text::parse(&deep).is_ok());
        assert_eq!(Text::parse(&too_deep), Err(ExpressionError::TooDeep));
        assert!(Text::parse(&long).is_ok());
        assert!(matches!(Text::parse(&too_long), Err(ExpressionError::TooLong { .. })));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\[([a-c'\\(\\)\\[\\]\\.,?0-9 -]|\\PC){0,60}\\]") {
            let _ = Text::parse(&text);
        }

        #[test]
        fn every_text_can_be_written_as_a_quoted_one(inner in "\\PC{0,40}") {
            let written = format!("['{}']", inner.replace('\'', "''"));

            prop_assert_eq!(Text::parse(&written), Ok(Text::Expression(text(&inner))));
        }
    }
}
