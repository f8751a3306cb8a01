//! Every element of the configuration, everything that can be wrong with it, and the layers over it.

use rstest::rstest;

use super::*;
use crate::protocol::ProtocolVersion;

const FILE: &str = "InedoAgent.config";

const KEY: &str = "000102030405060708090a0b0c0d0e0f";

/// Every element of CFG-1 with a value that is no default.
const FULL: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<InedoAgentConfig>
  <!-- everything -->
  <LogFile>/var/log/agent.log</LogFile>
  <ExtensionCachePath>/var/extensions</ExtensionCachePath>
  <BuildMasterRootPath>/srv/bm &amp; co</BuildMasterRootPath>
  <OtterRootPath>C:\Otter</OtterRootPath>
  <HedgehogRootPath>relative/hedgehog</HedgehogRootPath>
  <SessionTimeout>60</SessionTimeout>
  <UpdatePath>/var/updates</UpdatePath>
  <ProductHost>/usr/bin/host</ProductHost>
  <Versions>2000</Versions>
  <Listener Enabled="true">
    <Encryption Mode="aes">
      <CertificateName>/etc/agent.pem</CertificateName>
      <Key>000102030405060708090a0b0c0d0e0f</Key>
    </Encryption>
    <Address>127.0.0.1</Address>
    <Port>1234</Port>
    <MaxConcurrentHandshakes>7</MaxConcurrentHandshakes>
    <HandshakeTimeout>
      5
    </HandshakeTimeout>
    <AllowedAddresses>127.0.0.1;::1</AllowedAddresses>
  </Listener>
  <Connections Enabled="false"><Server Host="otter.example" Key="secret"/><Server Host="b" Key=""/></Connections>
</InedoAgentConfig>
"#;

fn parse(text: &str) -> Result<Choices, String> {
    parse_config(FILE, text).map_err(|error| error.to_string())
}

fn settings(text: &str) -> Result<Settings, String> {
    Settings::new(parse(text)?).map_err(|error| error.to_string())
}

/// What messages are encrypted with in mode aes.
fn cipher(settings: &Settings) -> Option<Cipher> {
    match &settings.policy.encryption {
        RequiredEncryption::Aes { cipher, .. } => Some(cipher.clone()),
        RequiredEncryption::None | RequiredEncryption::Ssl(_) => None,
    }
}

#[test]
fn every_element_has_its_effect() {
    let settings = settings(FULL).unwrap();
    assert_eq!(settings.log_file, Some("/var/log/agent.log".into()));
    assert_eq!(settings.extension_cache, Path::new("/var/extensions"));
    let roots = RootPaths {
        otter: r"C:\Otter".to_owned(),
        buildmaster: "/srv/bm & co".to_owned(),
        hedgehog: "relative/hedgehog".to_owned(),
    };
    assert_eq!(settings.policy.roots, roots);
    assert_eq!(settings.session_timeout, Duration::from_secs(60));
    assert_eq!(settings.update_dir, Path::new("/var/updates"));
    assert_eq!(settings.product_host, Some("/usr/bin/host".into()));
    assert_eq!(settings.policy.versions, Versions::V2);
    let key = Key::Aes128([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    assert_eq!(cipher(&settings), Some(Cipher::new(key, Padding::Pkcs7).unwrap()));
    assert_eq!(settings.address, Some("127.0.0.1".parse().unwrap()));
    assert_eq!(settings.port, 1234);
    assert_eq!(settings.max_concurrent_handshakes, 7);
    assert_eq!(settings.policy.handshake_timeout, Duration::from_secs(5));
    assert!(settings.allowed_addresses.allow("::1".parse().unwrap()));
    assert!(!settings.allowed_addresses.allow("192.0.2.1".parse().unwrap()));
    let server = |host: &str, key: &str| Server { host: host.to_owned(), key: key.to_owned() };
    let servers = vec![server("otter.example", "secret"), server("b", "")];
    assert_eq!(settings.connections, Connections { enabled: false, servers });
}

#[test]
fn an_empty_configuration_has_the_defaults() {
    let settings = settings("<InedoAgentConfig/>").unwrap();
    assert_eq!((settings.address, settings.port), (None, 46336));
    assert!(matches!(settings.policy.encryption, RequiredEncryption::None));
    assert_eq!(settings.max_concurrent_handshakes, 100);
    assert_eq!(settings.policy.handshake_timeout, Duration::from_secs(30));
    assert!(settings.allowed_addresses.allow("192.0.2.1".parse().unwrap()));
    assert_eq!(settings.policy.versions, Versions::BOTH);
    assert_eq!(settings.policy.max_message, 67_108_864);
    assert_eq!(settings.session_timeout, Duration::from_secs(1800));
    assert_eq!(settings.log_file, None);
    let state = std::path::absolute("iaspec-agent").unwrap();
    assert_eq!(settings.policy.roots.otter, state.join("otter").to_str().unwrap());
    assert_eq!(settings.update_dir, state.join("updates"));
}

#[test]
fn empty_optional_elements_are_as_if_missing() {
    let settings = settings(
        "\u{feff}<InedoAgentConfig><LogFile/><Listener><Encryption Mode='none'><CertificateName/><Key></Key>
         </Encryption><Address> </Address><AllowedAddresses></AllowedAddresses></Listener></InedoAgentConfig>",
    )
    .unwrap();
    assert_eq!((settings.address, settings.log_file), (None, None));
    assert!(matches!(settings.policy.encryption, RequiredEncryption::None));
    assert_eq!(settings.allowed_addresses, AllowedAddresses::default());
}

/// Something wrong in line 2 of a file.
#[rstest]
#[case::unknown_element(
    "<Lissener/>",
    "Lissener: InedoAgentConfig has no such element; there are LogFile, ExtensionCachePath, \
     BuildMasterRootPath, OtterRootPath, HedgehogRootPath, SessionTimeout, UpdatePath, ProductHost, Versions, \
     Listener, Connections"
)]
#[case::element_of_a_namespace(
    "<Listener xmlns='urn:x'/>",
    "Listener: InedoAgentConfig has no such element; there are LogFile, ExtensionCachePath, \
     BuildMasterRootPath, OtterRootPath, HedgehogRootPath, SessionTimeout, UpdatePath, ProductHost, Versions, \
     Listener, Connections"
)]
#[case::other_case(
    "<Listener><port>1</port></Listener>",
    "port: Listener has no such element; there are Encryption, Address, Port, MaxConcurrentHandshakes, \
     HandshakeTimeout, AllowedAddresses"
)]
#[case::element_twice(
    "<LogFile>a</LogFile><LogFile>b</LogFile>",
    "LogFile: the element is there already, in line 2"
)]
#[case::element_within_a_value("<LogFile><b/></LogFile>", "b: LogFile has no such element")]
#[case::stray_text("hello", "InedoAgentConfig: text where elements belong: `hello`")]
#[case::unknown_attribute(
    "<Listener enabled='true'/>",
    "Listener: there is no attribute enabled; there is Enabled"
)]
#[case::attribute_of_a_value("<LogFile Mode='x'>a</LogFile>", "LogFile: there is no attribute Mode")]
#[case::enabled("<Listener Enabled='yes'/>", "Listener: attribute Enabled: `yes` is neither true nor false")]
#[case::enabled_connections(
    "<Connections Enabled='1'/>",
    "Connections: attribute Enabled: `1` is neither true nor false"
)]
#[case::server_without_key(
    "<Connections><Server Host='a'/></Connections>",
    "Server: attribute Key is missing"
)]
#[case::server_without_host(
    "<Connections><Server Key='a'/></Connections>",
    "Server: attribute Host is missing"
)]
#[case::port_word(
    "<Listener><Port>http</Port></Listener>",
    "Port: `http` is no whole number from 1 to 65535"
)]
#[case::port_zero("<Listener><Port>0</Port></Listener>", "Port: `0` is no whole number from 1 to 65535")]
#[case::port_high(
    "<Listener><Port>65536</Port></Listener>",
    "Port: `65536` is no whole number from 1 to 65535"
)]
#[case::port_negative(
    "<Listener><Port>-1</Port></Listener>",
    "Port: `-1` is no whole number from 1 to 65535"
)]
#[case::port_signed("<Listener><Port>+1</Port></Listener>", "Port: `+1` is no whole number from 1 to 65535")]
#[case::port_empty("<Listener><Port/></Listener>", "Port: `` is no whole number from 1 to 65535")]
#[case::port_of_text(
    "<Listener><Port>4\n6</Port></Listener>",
    "Port: `4\n6` is no whole number from 1 to 65535"
)]
#[case::address(
    "<Listener><Address>localhost</Address></Listener>",
    "Address: `localhost` is no IP address; write one such as 127.0.0.1 or ::1"
)]
#[case::handshakes(
    "<Listener><MaxConcurrentHandshakes>0</MaxConcurrentHandshakes></Listener>",
    "MaxConcurrentHandshakes: `0` is no whole number from 1 to 4294967295"
)]
#[case::timeout_zero(
    "<Listener><HandshakeTimeout>0</HandshakeTimeout></Listener>",
    "HandshakeTimeout: `0` is no whole number from 1 to 4294967295, in seconds"
)]
#[case::timeout_negative(
    "<Listener><HandshakeTimeout>-5</HandshakeTimeout></Listener>",
    "HandshakeTimeout: `-5` is no whole number from 1 to 4294967295, in seconds"
)]
#[case::timeout_fraction(
    "<Listener><HandshakeTimeout>0.5</HandshakeTimeout></Listener>",
    "HandshakeTimeout: `0.5` is no whole number from 1 to 4294967295, in seconds"
)]
#[case::timeout_too_long(
    "<Listener><HandshakeTimeout>4294967296</HandshakeTimeout></Listener>",
    "HandshakeTimeout: `4294967296` is no whole number from 1 to 4294967295, in seconds"
)]
#[case::session_timeout(
    "<SessionTimeout>1m</SessionTimeout>",
    "SessionTimeout: `1m` is no whole number from 1 to 4294967295, in seconds"
)]
#[case::allowed_addresses(
    "<Listener><AllowedAddresses>10.0.0.1; 10.0.0.2</AllowedAddresses></Listener>",
    "AllowedAddresses: ` 10.0.0.2` is no IP address; write addresses with `;` between and no blanks"
)]
#[case::versions(
    "<Versions>1000,3000</Versions>",
    "Versions: `3000` is no version that this agent speaks; write 1000, 2000 or 1000,2000"
)]
#[case::no_versions(
    "<Versions/>",
    "Versions: `` is no version that this agent speaks; write 1000, 2000 or 1000,2000"
)]
#[case::empty_path("<OtterRootPath/>", "OtterRootPath: the path is empty")]
#[case::empty_update_path("<UpdatePath> </UpdatePath>", "UpdatePath: the path is empty")]
#[case::mode(
    "<Listener><Encryption Mode='rot13'/></Listener>",
    "Encryption: attribute Mode: `rot13` is no encryption mode; write none, ssl or aes"
)]
#[case::mode_in_capitals(
    "<Listener><Encryption Mode='AES'/></Listener>",
    "Encryption: attribute Mode: `AES` is no encryption mode; write none, ssl or aes"
)]
#[case::mode_empty(
    "<Listener><Encryption Mode=''/></Listener>",
    "Encryption: attribute Mode: `` is no encryption mode; write none, ssl or aes"
)]
#[case::key_without_mode(
    "<Listener><Encryption><Key>000102030405060708090a0b0c0d0e0f</Key></Encryption></Listener>",
    "Key is given and no encryption mode; say one by attribute Mode of Encryption, or by --encryption"
)]
#[case::certificate_without_mode(
    "<Listener><Encryption><CertificateName>agent.pem</CertificateName></Encryption></Listener>",
    "CertificateName is given and no encryption mode; say one by attribute Mode of Encryption, or by \
     --encryption"
)]
#[case::certificate_that_is_not_there(
    "<Listener><Encryption Mode='ssl'><CertificateName>/nonexistent/agent.pem</CertificateName></Encryption></Listener>",
    "CertificateName: /nonexistent/agent.pem: No such file or directory (os error 2)"
)]
#[case::certificate_that_is_a_folder(
    "<Listener><Encryption Mode='ssl'><CertificateName>/</CertificateName></Encryption></Listener>",
    "CertificateName: /: Is a directory (os error 21)"
)]
#[case::ssl_with_empty_certificate(
    "<Listener><Encryption Mode='ssl'><CertificateName> </CertificateName></Encryption></Listener>",
    "Encryption: mode ssl needs a certificate: the element CertificateName in Encryption, or --certificate"
)]
#[case::key_too_short(
    "<Listener><Encryption Mode='aes'><Key>0001</Key></Encryption></Listener>",
    "Key: a key is 32 or 64 hexadecimal digits; this one has 4"
)]
#[case::key_of_192_bits(
    "<Listener><Encryption Mode='aes'><Key>000102030405060708090a0b0c0d0e0f1011121314151617</Key></Encryption></Listener>",
    "Key: a key is 32 or 64 hexadecimal digits; this one has 48"
)]
#[case::key_of_half_a_byte_more(
    "<Listener><Encryption Mode='aes'><Key>000102030405060708090a0b0c0d0e0f1</Key></Encryption></Listener>",
    "Key: a key is 32 or 64 hexadecimal digits; this one has 33"
)]
#[case::key_not_hexadecimal(
    "<Listener><Encryption Mode='aes'><Key>0g0102030405060708090a0b0c0d0e0f</Key></Encryption></Listener>",
    "Key: a key is 32 or 64 hexadecimal digits; character 2 of this one is none"
)]
#[case::bad_key_that_is_not_used(
    "<Listener><Encryption Mode='none'><Key>xyz</Key></Encryption></Listener>",
    "Key: a key is 32 or 64 hexadecimal digits; character 1 of this one is none"
)]
#[case::aes_without_key(
    "<Listener><Encryption Mode='aes'/></Listener>",
    "Encryption: mode aes needs a key: the element Key in Encryption, or --aes-key"
)]
#[case::aes_with_empty_key(
    "<Listener><Encryption Mode='aes'><Key> </Key></Encryption></Listener>",
    "Encryption: mode aes needs a key: the element Key in Encryption, or --aes-key"
)]
#[case::ssl_without_certificate(
    "<Listener><Encryption Mode='ssl'/></Listener>",
    "Encryption: mode ssl needs a certificate: the element CertificateName in Encryption, or --certificate"
)]
#[case::not_listening(
    "<Listener Enabled='false'/>",
    "Listener: Enabled is false, and an agent that does not listen has nothing to do: it makes no connections"
)]
fn whatever_is_wrong_is_told_with_file_line_and_element(#[case] line: &str, #[case] message: &str) {
    let text = format!("<InedoAgentConfig>\n{line}\n</InedoAgentConfig>");
    assert_eq!(settings(&text).map(|_| ()), Err(format!("{FILE}:2: {message}")));
}

#[test]
fn the_line_of_an_attribute_is_its_own() {
    let text = "<InedoAgentConfig>\n<Listener\n\n Enabled='no'/></InedoAgentConfig>";
    let message = "InedoAgent.config:4: Listener: attribute Enabled: `no` is neither true nor false";
    assert_eq!(parse(text).map(|_| ()), Err(message.to_owned()));
}

#[test]
fn another_root_is_refused() {
    let said = parse("\n<configuration/>").map(|_| ());
    let message =
        "InedoAgent.config:2: configuration: the root element has to be InedoAgentConfig, in no namespace";
    assert_eq!(said, Err(message.to_owned()));
}

#[rstest]
#[case::nothing("", 1)]
#[case::not_closed("<InedoAgentConfig>\n<Listener>\n</InedoAgentConfig>", 3)]
#[case::entities("<!DOCTYPE a [<!ENTITY b 'c'>]>\n<InedoAgentConfig/>", 1)]
#[case::attribute_twice(
    "<InedoAgentConfig>\n<Listener Enabled='true' Enabled='true'/></InedoAgentConfig>",
    2
)]
fn what_is_no_xml_is_refused_with_its_line(#[case] text: &str, #[case] line: u32) {
    let said = parse(text).map(|_| ()).unwrap_err();
    assert!(said.starts_with(&format!("{FILE}:{line}: not well-formed XML: ")), "{said}");
}

#[test]
fn a_missing_file_is_named() {
    let said = read_config(Path::new("/nonexistent/InedoAgent.config")).map(|_| ()).unwrap_err();
    let message = "/nonexistent/InedoAgent.config: the configuration file cannot be read: \
                   No such file or directory (os error 2)";
    assert_eq!(said.to_string(), message);
}

#[test]
fn a_file_that_is_read_has_the_effect_of_its_text() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file.as_file(), FULL.as_bytes()).unwrap();
    assert_eq!(read_config(file.path()).unwrap().port, Some(1234));
}

#[rstest]
#[case::not_utf8(&[0xff, 0xfe][..], "invalid utf-8 sequence of 1 bytes from index 0")]
#[case::too_large(&[b' '; (1 << 20) + 1][..], "it is larger than 1 MiB")]
fn a_file_that_is_no_text_is_refused(#[case] bytes: &[u8], #[case] reason: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file.as_file(), bytes).unwrap();
    let said = read_config(file.path()).map(|_| ()).unwrap_err().to_string();
    let path = file.path().display();
    assert_eq!(said, format!("{path}: the configuration file cannot be read: {reason}"));
}

#[test]
fn options_go_over_the_file_one_by_one() {
    let options = Choices {
        port: Some(4321),
        encryption: Some(Stated { value: EncryptionMode::None, place: "--encryption".to_owned() }),
        otter_root: Some("/other".to_owned()),
        ..Choices::default()
    };
    let settings = Settings::new(options.over(parse(FULL).unwrap())).unwrap();
    assert_eq!((settings.port, settings.address), (4321, Some("127.0.0.1".parse().unwrap())));
    assert!(matches!(settings.policy.encryption, RequiredEncryption::None));
    assert_eq!(
        (settings.policy.roots.otter.as_str(), settings.policy.roots.hedgehog.as_str()),
        ("/other", "relative/hedgehog")
    );
}

#[test]
fn mode_and_key_may_come_from_different_sources() {
    let mode = Some(Stated { value: EncryptionMode::Aes, place: "--encryption".to_owned() });
    let options = Choices { encryption: mode, aes_padding: Some(Padding::Zeros), ..Choices::default() };
    let said = Settings::new(options.clone()).map(|_| ()).unwrap_err().to_string();
    assert_eq!(said, "--encryption: mode aes needs a key: the element Key in Encryption, or --aes-key");
    let key = values::aes_key(KEY).unwrap();
    let aes_key = Some(Stated { value: key, place: "InedoAgent.config:3: Key".to_owned() });
    let file = Choices { aes_key, ..Choices::default() };
    let settings = Settings::new(options.over(file.clone())).unwrap();
    assert_eq!(cipher(&settings), Some(Cipher::new(key, Padding::Zeros).unwrap()));
    let said = Settings::new(file).map(|_| ()).unwrap_err().to_string();
    let message = "InedoAgent.config:3: Key is given and no encryption mode; say one by attribute Mode of \
                   Encryption, or by --encryption";
    assert_eq!(said, message);
}

#[rstest]
#[case::of_128_bits(KEY, Key::Aes128([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]))]
#[case::of_256_bits(
    "A0A1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",
    Key::Aes256([
        0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,
        0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf,
    ])
)]
fn keys_have_32_or_64_digits(#[case] text: &str, #[case] key: Key) {
    assert_eq!(values::aes_key(text), Ok(key));
}

#[test]
fn paths_that_are_not_given_lie_in_the_state_directory() {
    let choices = Choices { state_dir: Some("/state".into()), ..Choices::default() };
    let settings = Settings::new(choices).unwrap();
    assert_eq!(settings.update_dir, Path::new("/state/updates"));
    assert_eq!(settings.policy.roots.buildmaster, "/state/buildmaster");
}

#[rstest]
#[case(ServerVersionForm::Int32, 1)]
#[case(ServerVersionForm::Int32x4, 4)]
fn the_server_version_is_that_of_this_crate(#[case] form: ServerVersionForm, #[case] numbers: usize) {
    let choices = Choices { server_version: Some(form), ..Choices::default() };
    let version = Settings::new(choices).unwrap().policy.server_version;
    let full: Vec<i32> = env!("CARGO_PKG_VERSION").split('.').map(|part| part.parse().unwrap()).collect();
    let carried = match version {
        ServerVersion::Number(major) => vec![major],
        ServerVersion::Parts(parts) => {
            assert_eq!(parts[3], 0);
            parts[..3].to_vec()
        }
    };
    assert_eq!(carried, full[..numbers.min(3)]);
}

#[test]
fn values_of_options_alone() {
    assert_eq!(values::port_or_any("0"), Ok(0));
    assert_eq!(values::milliseconds("250"), Ok(Duration::from_millis(250)));
    assert_eq!(
        values::milliseconds("0").unwrap_err(),
        "`0` is no whole number from 1 to 4294967295, in milliseconds"
    );
    assert_eq!(values::message_limit("2147483646"), Ok(2_147_483_646));
    assert!(values::message_limit("2147483647").is_err());
    assert_eq!(values::ring_capacity("64"), Ok(64));
    assert_eq!(values::ring_capacity("1073741824"), Ok(1 << 30));
    assert_eq!(values::ring_capacity("65").unwrap_err(), "`65` is no power of two from 64 to 1073741824");
    assert_eq!(values::ring_capacity("32").unwrap_err(), "`32` is no whole number from 64 to 1073741824");
    assert_eq!(values::server_version("int32x4"), Ok(ServerVersionForm::Int32x4));
    assert!(values::server_version("int64").is_err());
    assert_eq!(values::aes_padding("pkcs7"), Ok(Padding::Pkcs7));
    assert_eq!(values::aes_padding("zeros"), Ok(Padding::Zeros));
    assert_eq!(values::aes_padding("PKCS7").unwrap_err(), "`PKCS7` is no padding; write pkcs7 or zeros");
    assert!(Versions::BOTH.contain(ProtocolVersion::V1));
}
