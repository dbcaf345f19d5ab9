//! The TLS settings into a rustls configuration.
//!
//! Without a certificate file, the roots built into the launcher count, and those of the system where it has any: an image
//! made `FROM scratch` has none.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

use super::settings::OtlpSettings;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("{path}: {source}; a PEM file is expected", path = path.display())]
    Read { path: PathBuf, source: pem::Error },
    #[error("{path}: no certificate in it", path = path.display())]
    Empty { path: PathBuf },
    #[error("{path}: {source}", path = path.display())]
    Invalid { path: PathBuf, source: rustls::Error },
    #[error("the client certificate {certificate}: {source}", certificate = certificate.display())]
    Client { certificate: PathBuf, source: rustls::Error },
    #[error("a client certificate needs its key and the other way round: set both files or none")]
    Incomplete,
    #[error("TLS: {0}")]
    Provider(rustls::Error),
}

/// The configuration where no TLS is spoken: nothing is read, nobody is trusted.
pub(super) fn none() -> Result<ClientConfig, TlsError> {
    Ok(builder(RootCertStore::empty())?.with_no_client_auth())
}

fn builder(roots: RootCertStore) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    Ok(builder.with_safe_default_protocol_versions().map_err(TlsError::Provider)?.with_root_certificates(roots))
}

/// The configuration for connections to the collector.
pub(super) fn config(settings: &OtlpSettings) -> Result<ClientConfig, TlsError> {
    let builder = builder(roots(settings.certificate.as_deref())?)?;
    match (&settings.client_certificate, &settings.client_key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::Read { path: key.clone(), source })?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|source| TlsError::Client { certificate: certificate.clone(), source })
        }
        (Some(_), None) | (None, Some(_)) => Err(TlsError::Incomplete),
    }
}

fn roots(certificate: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = certificate {
        for authority in certificates(path)? {
            roots.add(authority).map_err(|source| TlsError::Invalid { path: path.to_owned(), source })?;
        }
    } else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        // What cannot be read is not there; what is not understood is of no use.
        let system = rustls_native_certs::load_native_certs();
        let _added = roots.add_parsable_certificates(system.certs);
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |source| TlsError::Read { path: path.to_owned(), source };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path).map_err(read)?.collect::<Result<_, _>>().map_err(read)?;
    if certificates.is_empty() { Err(TlsError::Empty { path: path.to_owned() }) } else { Ok(certificates) }
}
