use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::config::Secret;

fn key(byte: u8) -> SealingKey {
    SealingKey::new(Zeroizing::new([byte; 32]))
}

fn vault(byte: u8) -> Vault {
    let secrets = Secrets { key: Some(key(byte)), ..Secrets::default() };
    Vault::new(&secrets, Path::new("/nowhere")).unwrap()
}

fn reference(text: &str) -> ProtectedText {
    ProtectedText::Reference(text.to_owned())
}

proptest! {
    #[test]
    fn what_is_sealed_opens_again_and_does_not_show(text in "[^:]{16,80}") {
        let vault = vault(1);
        let sealed = vault.seal(&text).unwrap();
        let opened = vault.open(&sealed).unwrap();
        prop_assert_eq!(opened.as_str(), text.as_str());
        prop_assert_ne!(&vault.seal(&text).unwrap(), &sealed);
        let shown = serde_json::to_string(&sealed).unwrap();
        prop_assert!(!shown.contains(&text) && !shown.contains(&STANDARD.encode(&text)));
    }

    #[test]
    fn a_changed_byte_is_noticed(at in 0_usize..40, by in 1_u8..) {
        let vault = vault(1);
        let mut sealed = vault.seal_bytes(b"context", b"eleven byte").unwrap();
        prop_assert_eq!(sealed.len(), 1 + 12 + 11 + 16);
        sealed[at] ^= by;
        prop_assert_eq!(vault.open_bytes(b"context", &sealed), Err(VaultError::Unopenable));
    }
}

#[test]
fn another_key_another_context_or_fewer_bytes_open_nothing() {
    let sealed = vault(1).seal_bytes(b"context", b"hush").unwrap();
    assert_eq!(vault(1).open_bytes(b"context", &sealed).unwrap().as_slice(), b"hush");
    assert_eq!(vault(2).open_bytes(b"context", &sealed), Err(VaultError::Unopenable));
    assert_eq!(vault(1).open_bytes(b"contexT", &sealed), Err(VaultError::Unopenable));
    for length in 0..sealed.len() {
        let opened = vault(1).open_bytes(b"context", &sealed[..length]);
        assert_eq!(opened, Err(VaultError::Unopenable), "{length}");
    }
    // A stored answer is no text, and the other way round.
    let text = ProtectedText::Sealed(STANDARD.encode(&sealed));
    assert_eq!(vault(1).open(&text), Err(VaultError::Unopenable));
    assert_eq!(vault(1).seal(""), Err(VaultError::Empty));
}

#[test]
fn variables_are_those_for_configurations_alone() {
    let variables = [("PACKORIGIN_SECRET_TOKEN", "hush"), ("PACKORIGIN_SECRET_EMPTY", "")];
    let variables: BTreeMap<String, Secret> =
        variables.into_iter().map(|(name, text)| (name.to_owned(), Secret::new(text))).collect();
    let secrets = Secrets { key: Some(key(1)), variables, ..Secrets::default() };
    let vault = Vault::new(&secrets, Path::new("/nowhere")).unwrap();

    let sealed = vault.seal("env:PACKORIGIN_SECRET_TOKEN").unwrap();
    assert_eq!(sealed, reference("env:PACKORIGIN_SECRET_TOKEN"));
    assert_eq!(vault.open(&sealed).unwrap().as_str(), "hush");
    assert_eq!(vault.open(&reference("env:PACKORIGIN_SECRET_EMPTY")), Err(VaultError::Empty));

    // Its form is right, so it may be stored before it is set.
    let later = vault.seal("env:PACKORIGIN_SECRET_LATER").unwrap();
    let error = vault.open(&later).unwrap_err();
    assert!(error.to_string().contains("PACKORIGIN_SECRET_LATER is not set"), "{error}");
    for name in
        ["PATH", "PACKORIGIN_SECRETS_KEY", "PACKORIGIN_SECRET_", "PACKORIGIN_SECRET_A B", ""]
    {
        let refused = Err(VaultError::VariableRefused { name: name.to_owned() });
        assert_eq!(vault.seal(&format!("env:{name}")), refused, "{name}");
        let refused = VaultError::VariableRefused { name: name.to_owned() };
        assert_eq!(vault.open(&reference(&format!("env:{name}"))), Err(refused), "{name}");
    }
}

#[test]
#[cfg(unix)]
fn files_are_those_below_the_directory_alone() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("secrets");
    std::fs::create_dir_all(directory.join("..data")).unwrap();
    std::fs::write(directory.join("..data/token"), "hush\r\n\n").unwrap();
    std::fs::write(folder.path().join("outside"), "not for you").unwrap();
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, directory.join(name)).unwrap();
    };
    link("..data/token", "token");
    link("../outside", "escape");
    link("..", "up");
    std::fs::write(directory.join("binary"), [0xff, 0xfe]).unwrap();

    let without = vault(1);
    let refused = Err(VaultError::NoDirectory { name: "token".to_owned() });
    assert_eq!(without.seal("file:token"), refused);

    let secrets =
        Secrets { key: Some(key(1)), directory: Some(directory.clone()), ..Secrets::default() };
    let vault = Vault::new(&secrets, Path::new("/nowhere")).unwrap();
    let sealed = vault.seal("file:token").unwrap();
    assert_eq!(sealed, reference("file:token"));
    assert_eq!(vault.open(&sealed).unwrap().as_str(), "hush");

    let absolute = folder.path().join("outside").display().to_string();
    for name in ["../outside", "a/../../outside", &absolute, "", "/", "./token", "..", "a\0b"] {
        let refused = Err(VaultError::FileRefused { name: name.to_owned() });
        assert_eq!(vault.seal(&format!("file:{name}")), refused, "{name}");
        let opened = vault.open(&reference(&format!("file:{name}")));
        assert_eq!(opened, Err(VaultError::FileRefused { name: name.to_owned() }), "{name}");
    }
    for name in ["escape", "up/outside"] {
        let opened = vault.open(&reference(&format!("file:{name}")));
        assert_eq!(opened, Err(VaultError::FileRefused { name: name.to_owned() }), "{name}");
    }
    for name in ["absent", "..data", "binary"] {
        let opened = vault.open(&reference(&format!("file:{name}")));
        assert!(matches!(opened, Err(VaultError::File { .. })), "{name}");
    }
}

#[test]
#[cfg(unix)]
fn the_key_is_made_once_and_kept_from_others() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let first = Vault::new(&Secrets::default(), folder.path()).unwrap();
    let sealed = first.seal("hush").unwrap();
    let path = folder.path().join("secrets.key");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = Vault::new(&Secrets::default(), folder.path()).unwrap();
    assert_eq!(again.open(&sealed).unwrap().as_str(), "hush");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = Vault::new(&Secrets::default(), folder.path()).unwrap_err();
    assert!(error.message().contains("chmod 600"), "{error}");
    assert_eq!((error.field(), error.blame()), (Some("secrets.key"), Blame::Us));

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "too short").unwrap();
    let error = Vault::new(&Secrets::default(), folder.path()).unwrap_err();
    assert!(error.message().contains("holds no key"), "{error}");
    assert!(!error.chain().contains("too short"), "{error}");

    // A key of the settings makes no file.
    let folder = tempfile::tempdir().unwrap();
    let secrets = Secrets { key: Some(key(1)), ..Secrets::default() };
    Vault::new(&secrets, folder.path()).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
