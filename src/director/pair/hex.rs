//! Bytes as hexadecimal digits.

/// Two lower-case digits for each byte. Not for secrets: the text is not wiped.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).expect("four bits are a digit");
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn two_digits_for_each_byte() {
        assert_eq!(hex(&[0, 9, 0x0a, 0xf0, 255]), "00090af0ff");
    }
}
