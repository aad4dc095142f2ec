//! The media gate: the one place that says whether picture and sound may flow.

use thiserror::Error;

/// SHA-256 of a DTLS certificate (RFC 8122).
pub type Fingerprint = [u8; 32];

/// What is known of a connection when the gate is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct GateInput {
    /// The user accepted the call.
    pub accepted: bool,
    /// ICE and DTLS are up.
    pub dtls_connected: bool,
    /// SHA-256 of the certificate that the other end showed in DTLS.
    pub certificate: Option<Fingerprint>,
    /// The fingerprint in the description that the other end sealed.
    pub sealed: Option<Fingerprint>,
    /// Whether both ends mean the same connection (RFC 8844).
    pub bind: Bind,
}

/// What came of comparing the two ends' view of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bind {
    /// The other end did not say yet.
    #[default]
    Pending,
    /// It means the same connection.
    Ok,
    /// It means another one.
    Wrong,
}

/// The gate's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Media may flow, both ways.
    Open,
    /// Not yet.
    Closed,
    /// Never: somebody is in between.
    Shut(GateViolation),
}

/// Why media never flows on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GateViolation {
    /// The other end showed no certificate, or not the one it sealed the fingerprint of.
    #[error("the certificate is not the one whose fingerprint was sealed")]
    Fingerprint,
    /// The other end means another connection than this one (unknown key share, RFC 8844).
    #[error("the other end means another connection")]
    Bind,
}

/// Media flows, and devices send, only when this says [`Gate::Open`].
#[must_use]
pub fn media_gate(input: &GateInput) -> Gate {
    if !input.accepted || !input.dtls_connected {
        return Gate::Closed;
    }
    // An end that shows no certificate is as wrong as one that shows another.
    if input.certificate.is_none() || input.certificate != input.sealed {
        return Gate::Shut(GateViolation::Fingerprint);
    }
    match input.bind {
        Bind::Pending => Gate::Closed,
        Bind::Ok => Gate::Open,
        Bind::Wrong => Gate::Shut(GateViolation::Bind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every combination: open for exactly one.
    #[test]
    fn it_opens_only_when_everything_holds() {
        let fingerprints = [None, Some([1; 32]), Some([2; 32])];
        let mut open = Vec::new();
        for accepted in [false, true] {
            for dtls_connected in [false, true] {
                for certificate in fingerprints {
                    for sealed in fingerprints {
                        for bind in [Bind::Pending, Bind::Ok, Bind::Wrong] {
                            let input = GateInput { accepted, dtls_connected, certificate, sealed, bind };
                            if media_gate(&input) == Gate::Open {
                                open.push(input);
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(open.len(), 2);
        for input in open {
            assert!(input.accepted && input.dtls_connected && input.bind == Bind::Ok);
            assert!(input.certificate.is_some() && input.certificate == input.sealed);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let good = GateInput {
            accepted: true,
            dtls_connected: true,
            certificate: Some([1; 32]),
            sealed: Some([1; 32]),
            bind: Bind::Ok,
        };
        let shut = |input| media_gate(&input);
        assert_eq!(shut(GateInput { certificate: None, sealed: None, ..good }), Gate::Shut(GateViolation::Fingerprint));
        assert_eq!(shut(GateInput { sealed: Some([2; 32]), ..good }), Gate::Shut(GateViolation::Fingerprint));
        assert_eq!(shut(GateInput { bind: Bind::Wrong, ..good }), Gate::Shut(GateViolation::Bind));
        assert_eq!(shut(GateInput { bind: Bind::Wrong, accepted: false, ..good }), Gate::Closed);
    }
}
