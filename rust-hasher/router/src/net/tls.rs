//! What TLS the router speaks, towards clients, servers and agents.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::error::{Error, Result};

/// TLS for clients; they show no certificate.
///
/// # Errors
/// A file that cannot be read or used.
pub fn acceptor(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain(certificate)?, private(key)?)
        .map_err(|error| Error::config(certificate.display().to_string(), error.to_string()))?;
    // Two tickets for every connection are work for clients that come again; drivers of PostgreSQL do not resume.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// TLS for servers and agents: their certificates have to be of the cluster's authority and carry the name dialled.
///
/// # Errors
/// A file that cannot be read or used.
pub fn dialer(authority: &Path, own: Option<(&Path, &Path)>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for root in chain(authority)? {
        roots.add(root).map_err(|error| Error::config(authority.display().to_string(), error.to_string()))?;
    }
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match own {
        Some((certificate, key)) => builder
            .with_client_auth_cert(chain(certificate)?, private(key)?)
            .map_err(|error| Error::config(certificate.display().to_string(), error.to_string()))?,
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let refuse = |why: String| Error::config(path.display().to_string(), why);
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| refuse(error.to_string()))?;
    if found.is_empty() {
        return Err(refuse("holds no certificate; give a PEM file".into()));
    }
    Ok(found)
}

fn private(path: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| Error::config(path.display().to_string(), error.to_string()))
}
