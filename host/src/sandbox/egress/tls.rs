//! Whom requests trust: the public authorities, and those the operator adds.

use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, DnsName, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::job::grants::Host;

/// Largest file of certificates, bytes.
const CA_FILE_BYTES_MAX: u64 = 4 << 20;

/// A connector that verifies. The error is a sentence about the file.
pub(super) fn connector(ca_file: Option<&Path>, protocols: &[&[u8]]) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca_file {
        let said = |why: String| format!("`egress_ca_file`: {}: {why}", path.display());
        let bytes = read(path).map_err(|error| said(error.to_string()))?;
        let mut added = 0;
        for certificate in CertificateDer::pem_slice_iter(&bytes) {
            let certificate = certificate.map_err(|error| said(format!("it is not PEM: {error}")))?;
            roots.add(certificate).map_err(|error| said(format!("a certificate can't be trusted: {error}")))?;
            added += 1;
        }
        if added == 0 {
            return Err(said("it holds no certificate in PEM".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder
        .map_err(|error| format!("TLS can't be set up: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A session that is resumed would tie one tenant's requests to another's.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    crate::regular_file::open_to_read(path)?.take(CA_FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > CA_FILE_BYTES_MAX {
        return Err(std::io::Error::other(format!("it has more than {CA_FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// Whose certificate it must be.
pub(super) fn server_name(host: &Host) -> Option<ServerName<'static>> {
    match host {
        Host::Name(name) => DnsName::try_from(name.to_string()).ok().map(ServerName::DnsName),
        Host::Address(address) => Some(ServerName::from(*address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_said_at_the_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "nothing of the kind").expect("written");
        let said = connector(Some(&file), &[]).err().expect("refused");
        assert!(said.contains("egress_ca_file") && said.contains("no certificate"), "{said}");
        let missing = connector(Some(&folder.path().join("none.pem")), &[]).err().expect("refused");
        assert!(missing.contains("none.pem"), "{missing}");
        assert!(connector(None, &[]).is_ok());
    }
}
