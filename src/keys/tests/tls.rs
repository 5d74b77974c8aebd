//! Certificates in both directions.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::server::{good_answer, read_request};
use super::*;

/// An issuer that only those know who are told.
fn issuer() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for 127.0.0.1, and its key.
fn issued(issuer: &CertifiedIssuer<'static, KeyPair>) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    (params.signed_by(&key, issuer).unwrap(), key)
}

/// A key server that talks to those whom `issuer` vouches for, and its URL.
async fn start(issuer: &CertifiedIssuer<'static, KeyPair>) -> String {
    let (certificate, key) = issued(issuer);
    let mut trusted = RootCertStore::empty();
    trusted.add(issuer.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(trusted)).build().unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/speke/{TOKEN}?t=1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let Some(request) = read_request(&mut stream).await else { continue };
            let _ = stream.write_all(&good_answer(&request, KEY)).await;
            let _ = stream.shutdown().await;
        }
    });
    url
}

#[tokio::test]
async fn certificates_are_shown_and_checked() {
    let issuer = issuer();
    let fixture = Fixture::new(usual());
    let seal = |text: &str| fixture.vault.seal(text).unwrap();
    let url = start(&issuer).await;
    let (certificate, key) = issued(&issuer);

    let mut encryption = fixture.encryption_at(&url);
    let error = fixture.get(&encryption).await.unwrap_err();
    assert_discreet(&error);
    assert!(error.message().contains("trustedCertificates"), "{error}");

    server_of(&mut encryption).trusted_certificates = Some(seal(&issuer.pem()));
    let error = fixture.get(&encryption).await.unwrap_err();
    assert_discreet(&error);
    assert_eq!(error.blame(), Blame::KeyServer);

    let identity = (seal(&certificate.pem()), seal(&key.serialize_pem()));
    server_of(&mut encryption).client_identity = Some(identity);
    let set = fixture.get(&encryption).await.unwrap();
    assert_eq!(set.keys[0].key.expose(), &KEY);

    // A certificate of somebody else does not help, and the two are not mixed up.
    let (certificate, key) = issued(&self::issuer());
    let identity = (seal(&certificate.pem()), seal(&key.serialize_pem()));
    server_of(&mut encryption).client_identity = Some(identity);
    let error = fixture.get(&encryption).await.unwrap_err();
    assert_discreet(&error);
    assert!(!format!("{error:?}").contains("BEGIN"), "{error:?}");
}
