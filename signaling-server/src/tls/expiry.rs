//! Until when the certificate is good.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Until when; nothing as long as there is no certificate.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    /// Unix time, in seconds; 0 is none.
    not_after_s: AtomicI64,
}

impl Expiry {
    /// Takes it from a certificate (DER).
    ///
    /// # Errors
    /// What is wrong with the certificate.
    pub(super) fn note(&self, certificate: &[u8]) -> Result<(), String> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|error| error.to_string())?;
        self.not_after_s.store(parsed.validity().not_after.timestamp(), Ordering::Relaxed);
        Ok(())
    }

    /// Days from `now` on.
    pub(super) fn left(&self, now: SystemTime) -> Option<f64> {
        let not_after_s = u64::try_from(self.not_after_s.load(Ordering::Relaxed)).ok().filter(|at| *at > 0)?;
        let not_after = UNIX_EPOCH + std::time::Duration::from_secs(not_after_s);
        let left = match not_after.duration_since(now) {
            Ok(left) => left.as_secs_f64(),
            Err(over) => -over.duration().as_secs_f64(),
        };
        Some(left / 86_400.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn days_are_counted_to_the_certificates_end() {
        let expiry = Expiry::default();
        let at = |days: u64| UNIX_EPOCH + Duration::from_secs(days * 86_400);
        assert_eq!(expiry.left(at(10)), None);
        assert!(expiry.note(b"no certificate").is_err());
        expiry.not_after_s.store(20 * 86_400, Ordering::Relaxed);
        assert_eq!(expiry.left(at(10)), Some(10.0));
        assert_eq!(expiry.left(at(21)), Some(-1.0));
    }
}
