//! A registry behind TLS: who vouches for it, and for how long.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod desk;

use std::io::Read as _;
use std::net::TcpListener;

use desk::{Registry, folder, release, server};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use vaern_door::Blame;
use vaern_registry::{Access, CertificateFault, Patience, Place, RegistryError, pull, push};

/// An address of this machine that is spoken to as any other host is: with TLS.
const THERE: &str = "127.0.0.2";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `host`, good until `year` begins, with its key.
fn certificate(authority: &Authority, host: &str, year: i32) -> (String, String) {
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(year, 1, 1);
    let key = KeyPair::generate().unwrap();
    let signed = params.signed_by(&key, authority).unwrap();
    (signed.pem(), key.serialize_pem())
}

fn believing(authority: &Authority) -> Access {
    Access { authority: Some(authority.pem().into_bytes()), ..Access::default() }
}

fn secured((certificate, key): &(String, String)) -> Option<Registry> {
    Registry::start_at(THERE, Some((certificate, key)))
}

fn refused(from: &Place, access: &Access) -> RegistryError {
    let temp = tempfile::tempdir().unwrap();
    let dir = folder(temp.path());
    let error = pull(from, &dir, access, Patience::default()).unwrap_err();
    assert!(!dir.exists("index.json"), "nothing came");
    error
}

fn fault(error: &RegistryError) -> CertificateFault {
    assert_eq!((error.blame(), error.krav().0), (Blame::Operator, "CYB-01"), "{error}");
    match error {
        RegistryError::Certificate(fault) => *fault,
        other => panic!("{other}"),
    }
}

#[test]
fn pkg_07p_a_registry_that_the_named_authority_vouches_for_gives_and_takes() {
    let city = authority("the city's own");
    let Some(registry) = secured(&certificate(&city, THERE, 2120)) else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = release(&temp.path().join("here"), 4);
    let pushed = push(&dir, &registry.place("plugin"), &believing(&city), Patience::default()).unwrap();
    let there = folder(&temp.path().join("there"));
    let place = registry.place(&format!("plugin@{}", pushed.release));
    assert_eq!(pull(&place, &there, &believing(&city), Patience::default()).unwrap(), pushed.release);
    // Among several authorities the right one is found.
    let both = [authority("another").pem(), city.pem()].concat().into_bytes();
    let again = folder(&temp.path().join("again"));
    let access = Access { authority: Some(both), ..Access::default() };
    assert_eq!(pull(&place, &again, &access, Patience::default()).unwrap(), pushed.release);
}

#[test]
fn cyb_01n_another_authority_an_old_certificate_and_another_name_are_refused_each_by_its_name() {
    let city = authority("the city's own");
    let Some(registry) = secured(&certificate(&city, THERE, 2120)) else { return };
    let place = registry.place("plugin:current");
    // The name of the authority does not make it: another key under the same name.
    for access in [Access::default(), believing(&authority("another")), believing(&authority("the city's own"))] {
        let error = refused(&place, &access);
        let fault = fault(&error);
        assert!([CertificateFault::UnknownAuthority, CertificateFault::Broken].contains(&fault), "{error}");
    }
    assert_eq!(fault(&refused(&place, &Access::default())), CertificateFault::UnknownAuthority);
    let old = secured(&certificate(&city, THERE, 2021)).unwrap();
    let error = refused(&old.place("plugin:current"), &believing(&city));
    assert_eq!(fault(&error), CertificateFault::Expired);
    assert!(error.mend().contains("renews") && error.mend().contains("clock"), "{}", error.mend());
    let other = secured(&certificate(&city, "registry.example", 2120)).unwrap();
    let error = refused(&other.place("plugin:current"), &believing(&city));
    assert_eq!(fault(&error), CertificateFault::OtherName);
    // Nor is anything pushed there.
    let temp = tempfile::tempdir().unwrap();
    let dir = release(&temp.path().join("here"), 4);
    let error = push(&dir, &old.place("plugin"), &believing(&city), Patience::default()).unwrap_err();
    assert_eq!(fault(&error), CertificateFault::Expired);
}

#[test]
fn cyb_01n_plain_http_is_not_spoken_beyond_this_machine_s_own_names_and_cyb_01p_to_them_it_is() {
    let city = authority("the city's own");
    // What a server without TLS says to what it does not understand.
    let listener = TcpListener::bind((THERE, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            desk::say(&mut stream, "400 Bad Request", "text/plain", b"Client sent an HTTPS request to an HTTP server.");
        }
    });
    let place: Place = format!("oci://{THERE}:{port}/plugin:current").parse().unwrap();
    let error = refused(&place, &believing(&city));
    assert!(matches!(error, RegistryError::NotTls), "{error}");
    assert_eq!((error.blame(), error.krav().0), (Blame::Operator, "CYB-01"));
    assert!(error.mend().contains("plain http"), "{}", error.mend());
    let port = server("127.0.0.1", |_, stream| desk::say(stream, "200 OK", "application/json", b"{}"));
    let here: Place = format!("oci://127.0.0.1:{port}/plugin:current").parse().unwrap();
    let error = refused(&here, &Access::default());
    assert!(matches!(error, RegistryError::NotARelease(_)), "it was asked in the clear: {error}");
    for text in ["http://registry.example/plugin:1", "oci+http://registry.example/plugin:1"] {
        assert!(text.parse::<Place>().is_err(), "{text}");
    }
}

#[test]
fn cyb_01n_a_file_without_a_certificate_is_no_authority_and_never_the_system_s() {
    let place: Place = format!("oci://{THERE}:9/plugin:current").parse().unwrap();
    for file in [&b""[..], b"not a certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n", &[0xff, 0xfe]] {
        let access = Access { authority: Some(file.to_vec()), ..Access::default() };
        assert!(matches!(refused(&place, &access), RegistryError::Authority), "{file:?}");
    }
    let garbled = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    let access = Access { authority: Some(garbled), ..Access::default() };
    assert!(matches!(refused(&place, &access), RegistryError::Setup | RegistryError::Authority));
}
