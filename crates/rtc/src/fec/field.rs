//! Arithmetic in GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1, in which addition is exclusive or.

const POLYNOMIAL: u16 = 0x11d;
const ORDER: usize = 255;

/// Powers of the generator 2, twice over so that sums of two logarithms need no reduction, and their logarithms.
const TABLES: ([u8; 2 * ORDER], [u8; 256]) = tables();

#[expect(clippy::cast_possible_truncation, reason = "both stay below 256, and `try_from` is not for constants")]
const fn tables() -> ([u8; 2 * ORDER], [u8; 256]) {
    let (mut powers, mut logarithms) = ([0; 2 * ORDER], [0; 256]);
    let mut value: u16 = 1;
    let mut n = 0;
    while n < ORDER {
        powers[n] = value as u8;
        powers[n + ORDER] = value as u8;
        logarithms[value as usize] = n as u8;
        value <<= 1;
        if value > 0xff {
            value ^= POLYNOMIAL;
        }
        n += 1;
    }
    (powers, logarithms)
}

static POWERS: [u8; 2 * ORDER] = TABLES.0;
static LOGARITHMS: [u8; 256] = TABLES.1;

fn logarithm(a: u8) -> usize {
    usize::from(LOGARITHMS[usize::from(a)])
}

pub(super) fn multiply(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 { 0 } else { POWERS[logarithm(a) + logarithm(b)] }
}

/// The inverse of `a`, which is not 0.
pub(super) fn invert(a: u8) -> u8 {
    debug_assert_ne!(a, 0);
    POWERS[ORDER - logarithm(a)]
}

/// Adds `factor` times `values` to the beginning of `sum`, which is at least as long.
pub(super) fn add_scaled(sum: &mut [u8], values: &[u8], factor: u8) {
    match factor {
        0 => {}
        1 => sum.iter_mut().zip(values).for_each(|(sum, value)| *sum ^= value),
        factor => {
            // One row of the multiplication table: packets are far longer than it.
            let mut row = [0; 256];
            let shift = logarithm(factor);
            for (product, logarithm) in row.iter_mut().zip(&LOGARITHMS).skip(1) {
                *product = POWERS[usize::from(*logarithm) + shift];
            }
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum ^= row[usize::from(*value)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_field() {
        for a in 1..=255_u8 {
            assert_eq!(multiply(a, invert(a)), 1);
            assert_eq!((multiply(a, 0), multiply(0, a), multiply(a, 1)), (0, 0, a));
            for (b, c) in [(2, 3), (0x80, 0x1d), (a, 0xff)] {
                assert_eq!(multiply(a, b), multiply(b, a));
                assert_eq!(multiply(a, b ^ c), multiply(a, b) ^ multiply(a, c));
                assert_eq!(multiply(multiply(a, b), c), multiply(a, multiply(b, c)));
            }
        }
        assert_eq!(multiply(0x80, 2), 0x1d);
    }

    #[test]
    fn adding_twice_changes_nothing() {
        let values: Vec<u8> = (0..=255).collect();
        for factor in [0, 1, 2, 77, 255] {
            let mut sum = vec![9; 300];
            add_scaled(&mut sum, &values, factor);
            assert_eq!(sum[256..], [9; 44]);
            assert!(sum.iter().zip(&values).all(|(sum, value)| *sum == 9 ^ multiply(*value, factor)));
            add_scaled(&mut sum, &values, factor);
            assert_eq!(sum, [9; 300]);
        }
    }
}
