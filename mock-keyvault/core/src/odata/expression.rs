//! The parser of filters: from tokens to an expression. `and` binds tighter than `or`, and parentheses group.

use super::lexer::{Token, tokens};

/// How deep parentheses may be nested. Clients do not nest them.
const MAX_DEPTH: usize = 16;

/// A condition. Names of properties and functions are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// `property eq 'value'` or `property ne 'value'`.
    Compare {
        /// The name of the property.
        property: String,
        /// How it is compared.
        operator: Operator,
        /// The value between the quotes.
        value: String,
    },
    /// `function(argument, …)`.
    Call {
        /// The name of the function.
        function: String,
        /// Its arguments, in order.
        arguments: Vec<Argument>,
    },
    /// All of them are true. There are at least two.
    And(Vec<Self>),
    /// At least one of them is true. There are at least two.
    Or(Vec<Self>),
}

/// How a property is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `eq`.
    Equal,
    /// `ne`.
    NotEqual,
}

/// An argument of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A value between quotes.
    Value(String),
    /// The name of a property, in lower case.
    Property(String),
}

/// The expression of a filter; `None` if the text is not a filter.
pub fn parse(text: &str) -> Option<Expression> {
    let tokens = tokens(text)?;
    let mut parser = Parser { rest: &tokens, depth: 0 };
    let found = parser.alternatives()?;
    parser.rest.is_empty().then_some(found)
}

struct Parser<'a> {
    rest: &'a [Token<'a>],
    depth: usize,
}

impl<'a> Parser<'a> {
    fn alternatives(&mut self) -> Option<Expression> {
        let all = self.joined("or", Self::conjunction)?;
        Some(one_or(all, Expression::Or))
    }

    fn conjunction(&mut self) -> Option<Expression> {
        let all = self.joined("and", Self::condition)?;
        Some(one_or(all, Expression::And))
    }

    fn joined(
        &mut self,
        operator: &str,
        next: impl Fn(&mut Self) -> Option<Expression>,
    ) -> Option<Vec<Expression>> {
        let mut all = vec![next(self)?];
        while self.takes_word(operator) {
            all.push(next(self)?);
        }
        Some(all)
    }

    fn condition(&mut self) -> Option<Expression> {
        match self.take()? {
            Token::Open => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return None;
                }
                let inner = self.alternatives()?;
                self.depth -= 1;
                (*self.take()? == Token::Close).then_some(inner)
            }
            Token::Word(name) => {
                let name = name.to_ascii_lowercase();
                match self.take()? {
                    Token::Open => {
                        Some(Expression::Call { function: name, arguments: self.arguments()? })
                    }
                    Token::Word(operator) => {
                        let operator = match operator.to_ascii_lowercase().as_str() {
                            "eq" => Operator::Equal,
                            "ne" => Operator::NotEqual,
                            _ => return None,
                        };
                        let Token::Text(value) = self.take()? else { return None };
                        let value = value.clone();
                        Some(Expression::Compare { property: name, operator, value })
                    }
                    Token::Text(_) | Token::Close | Token::Comma => None,
                }
            }
            Token::Text(_) | Token::Close | Token::Comma => None,
        }
    }

    fn arguments(&mut self) -> Option<Vec<Argument>> {
        let mut found = Vec::new();
        if self.rest.first() == Some(&Token::Close) {
            self.take()?;
            return Some(found);
        }
        loop {
            found.push(match self.take()? {
                Token::Text(value) => Argument::Value(value.clone()),
                Token::Word(name) => Argument::Property(name.to_ascii_lowercase()),
                Token::Open | Token::Close | Token::Comma => return None,
            });
            match self.take()? {
                Token::Comma => (),
                Token::Close => return Some(found),
                Token::Word(_) | Token::Text(_) | Token::Open => return None,
            }
        }
    }

    fn take(&mut self) -> Option<&'a Token<'a>> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn takes_word(&mut self, wanted: &str) -> bool {
        let is_next = matches!(self.rest.first(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        if is_next {
            self.rest = &self.rest[1..];
        }
        is_next
    }
}

fn one_or(mut all: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match (all.len(), all.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            all.extend(last);
            many(all)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn equal(property: &str, value: &str) -> Expression {
        let (property, value) = (property.to_owned(), value.to_owned());
        Expression::Compare { property, operator: Operator::Equal, value }
    }

    #[test]
    fn and_binds_tighter_than_or_and_parentheses_group() {
        let (a, b, c) = (equal("a", "1"), equal("b", "2"), equal("c", "3"));
        let both = Expression::And(vec![b.clone(), c.clone()]);
        let either = Expression::Or(vec![a.clone(), b.clone()]);

        for (text, wanted) in [
            ("a eq '1'", a.clone()),
            (" A  EQ '1' ", a.clone()),
            ("a eq '1' or b eq '2' and c eq '3'", Expression::Or(vec![a.clone(), both])),
            ("(a eq '1' OR b eq '2') And c eq '3'", Expression::And(vec![either, c.clone()])),
            ("((a eq '1'))", a.clone()),
        ] {
            assert_eq!(parse(text), Some(wanted), "{text}");
        }
    }

    #[test]
    fn functions_take_values_and_properties_and_values_may_contain_quotes_and_punctuation() {
        let call = |arguments| Some(Expression::Call { function: "f".into(), arguments });
        let value = |text: &str| Argument::Value(text.into());

        assert_eq!(parse("F()"), call(vec![]));
        assert_eq!(
            parse("f( 'It''s, (so)' , Name)"),
            call(vec![value("It's, (so)"), Argument::Property("name".into())])
        );
    }

    #[test]
    fn text_that_is_not_a_filter_is_refused() {
        let nested = format!("{}a eq '1'{}", "(".repeat(17), ")".repeat(17));
        for text in [
            "",
            "a",
            "a eq",
            "a eq 1",
            "a eq '1",
            "a gt '1'",
            "a eq '1' and",
            "and a eq '1'",
            "f(",
            "f('a',)",
            "f('a' 'b')",
            "f(g())",
            "(a eq '1'",
            "a eq '1')",
            "a eq '1' b eq '2'",
            "a eq '1'; b",
            "not a eq '1'",
            "é",
            &nested,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r"\PC{0,80}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_sequence_of_tokens_panics(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("("), Just(")"), Just(","), Just("'"), Just("''"), Just(" and "), Just(" or "), Just(" eq "),
                    Just(" ne "), Just("name"), Just("'x'"), Just("substringof("), Just("é"), Just("$"),
                ],
                0..60,
            )
        ) {
            let _ = parse(&pieces.concat());
        }

        #[test]
        fn any_quoted_value_is_parsed(value in ".*") {
            let text = format!("name eq '{}'", value.replace('\'', "''"));
            prop_assert_eq!(parse(&text), Some(equal("name", &value)));
        }
    }
}
