//! Decimal digits, eight at a time, for keys short enough to live in two machine words.

/// The digits of `value`, the most significant in the lowest byte, with their number; none where there are over 16.
#[inline]
pub(super) fn decimal(value: u64) -> Option<(u128, u32)> {
    const CHUNK: u64 = 100_000_000;
    if value < CHUNK {
        let (digits, length) = leading(value);
        return Some((u128::from(digits), length));
    }
    let (high, low) = (value / CHUNK, value % CHUNK);
    if high >= CHUNK {
        return None;
    }
    let (head, length) = leading(high);
    Some((u128::from(head) | (u128::from(ascii(eight(low))) << (8 * length)), length + 8))
}

/// The digits of a number below 10⁸ without leading zeros.
#[inline]
fn leading(value: u64) -> (u64, u32) {
    let digits = eight(value);
    // The number zero is eight zero bytes, and still one digit.
    let zeros = (digits.trailing_zeros() / 8).min(7);
    (ascii(digits) >> (8 * zeros), 8 - zeros)
}

#[inline]
const fn ascii(digits: u64) -> u64 {
    digits | 0x3030_3030_3030_3030
}

/// The eight decimal digits of a number below 10⁸, a byte each: halves it to 4, 2 and 1 digits in parallel lanes.
#[inline]
const fn eight(value: u64) -> u64 {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    // 10486 / 2²⁰ is 1/100 to four digits, 103 / 2¹⁰ is 1/10 to two.
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((twos - tens * 10) << 8)
}

#[cfg(test)]
mod tests {
    use super::decimal;

    fn text(value: u64) -> Option<String> {
        let (digits, length) = decimal(value)?;
        let bytes = digits.to_le_bytes();
        assert!(bytes[length as usize..].iter().all(|byte| *byte == 0));
        Some(String::from_utf8_lossy(&bytes[..length as usize]).into_owned())
    }

    #[test]
    fn every_number_up_to_a_hundred_million_steps_reads_as_its_decimal() {
        for value in (0..100_000_000u64).step_by(997).chain(0..20_000) {
            assert_eq!(text(value), Some(value.to_string()));
        }
    }

    #[test]
    fn the_edges_of_the_chunks_hold() {
        for power in 0..16 {
            let edge = 10u64.pow(power);
            for value in [edge - 1, edge, edge + 1, edge * 9] {
                assert_eq!(text(value), Some(value.to_string()));
            }
        }
        assert_eq!(text(9_999_999_999_999_999), Some("9999999999999999".into()));
        assert_eq!(text(10_000_000_000_000_000), None);
        assert_eq!(text(u64::MAX), None);
    }
}
