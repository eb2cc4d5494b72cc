//! RTF as tokens.

/// The smallest pieces of a document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// `{`
    Open,
    /// `}`
    Close,
    /// `\par`, `\fs24`: name and number.
    Word(&'a str, Option<i32>),
    /// `\~`, `\*`: one character that is no letter.
    Symbol(u8),
    /// `\'e9`: a byte of text.
    Hex(u8),
    /// Bytes of text as they are.
    Text(&'a [u8]),
}

/// Longest name of a control word.
const MAX_NAME: usize = 32;

/// Reads tokens from bytes; nothing in them is an error.
pub struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    /// From the beginning.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn control(&mut self) -> Option<Token<'a>> {
        let first = *self.rest.first()?;
        if !first.is_ascii_alphabetic() {
            self.rest = &self.rest[1..];
            if first == b'\'' {
                let digits = self.rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                    self.rest = &self.rest[2..];
                    return Some(Token::Hex(byte));
                }
            }
            return Some(Token::Symbol(first));
        }
        let letters = self.rest.iter().take(MAX_NAME).take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (name, rest) = self.rest.split_at(letters);
        let sign = usize::from(rest.first() == Some(&b'-'));
        let digits = rest[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = &rest[..if digits > 0 { sign + digits } else { 0 }];
        self.rest = &rest[number.len()..];
        // One blank ends the word and is no text.
        self.rest = self.rest.strip_prefix(b" ").unwrap_or(self.rest);
        let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).unwrap_or_default();
        let number = (!number.is_empty()).then(|| text(number).parse().unwrap_or(0));
        if name == b"bin" {
            // So many bytes that are no RTF.
            let skipped = usize::try_from(number.unwrap_or(0)).unwrap_or(0).min(self.rest.len());
            self.rest = &self.rest[skipped..];
        }
        Some(Token::Word(text(name), number))
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let (&first, rest) = self.rest.split_first()?;
            match first {
                b'{' => {
                    self.rest = rest;
                    return Some(Token::Open);
                }
                b'}' => {
                    self.rest = rest;
                    return Some(Token::Close);
                }
                b'\\' => {
                    self.rest = rest;
                    return self.control();
                }
                // The file's own lines mean nothing.
                b'\r' | b'\n' | 0 => self.rest = rest,
                _ => {
                    let special = |byte: &u8| b"{}\\\r\n\0".contains(byte);
                    let length = self.rest.iter().position(special).unwrap_or(self.rest.len());
                    let (text, rest) = self.rest.split_at(length);
                    self.rest = rest;
                    return Some(Token::Text(text));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_apart() {
        let tokens: Vec<Token<'_>> =
            Tokens::new(b"{\\rtf1\\b x\r\ny\\'e9\\~\\u-10179?\\bin3 {}}\\par}\\'zz\\").collect();
        assert_eq!(
            tokens,
            [
                Token::Open,
                Token::Word("rtf", Some(1)),
                Token::Word("b", None),
                Token::Text(b"x"),
                Token::Text(b"y"),
                Token::Hex(0xe9),
                Token::Symbol(b'~'),
                Token::Word("u", Some(-10179)),
                Token::Text(b"?"),
                Token::Word("bin", Some(3)),
                Token::Word("par", None),
                Token::Close,
                Token::Symbol(b'\''),
                Token::Text(b"zz"),
            ]
        );
    }
}
