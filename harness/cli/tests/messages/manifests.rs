//! Manifests that cannot be read or do not fit the vectors. What can be wrong inside of one has snapshots beside the
//! reader of manifests; here it is how the command tells it.

use crate::desk::Desk;

#[test]
fn manifests_that_cannot_be_read() {
    let mut desk = Desk::new();
    desk.file("folder/other.txt", "").file("latin-1.yaml", [b'n', 0xe9]);
    desk.types("run none.yaml").types("run folder").types("run latin-1.yaml").types("run ''");
    desk.assert("manifests_that_cannot_be_read");
}

#[test]
fn manifests_with_mistakes() {
    let mut desk = Desk::new();
    desk.file("empty.yaml", "")
        .file("not.yaml", "name: [a\n")
        .file("two.yaml", "name: a\nrole: codec\ncommand: [a]\n---\nname: b\n")
        .file("misspelt.yaml", "name: a\nrole: codec\ncomand: [./codec]\n")
        .file("twice.yaml", "name: a\nrole: codec\nname: b\n")
        .file("several.yaml", "name: a\nrole: codec\ncommand: [\"{x}\"]\nenv: {P: \"{y}\"}\nexpect: [{case: \"\", outcome: pass, reason: r}]\n")
        .file("no-template.yaml", "name: a\nrole: agent\ncommand: [./agent]\nconfig_template: agent.config\n")
        .file("bad-template.yaml", "name: a\nrole: agent\ncommand: [./agent]\nconfig_template: bad.config\n")
        .file("bad.config", "<Port>{port}</Port>\n<Root>{otter_rot}</Root>\n")
        .file("stale.yaml", "name: a\nrole: codec\ncommand: [./codec]\nexpect:\n  - {case: codec/strings/emtpy, outcome: fail, reason: r}\n");
    desk.types("run empty.yaml")
        .types("run not.yaml")
        .types("run two.yaml")
        .types("run misspelt.yaml")
        .types("run twice.yaml")
        .types("run several.yaml")
        .types("run no-template.yaml")
        .types("run bad-template.yaml")
        .types("run stale.yaml");
    desk.assert("manifests_with_mistakes");
}

#[test]
fn cases_of_another_role() {
    let mut desk = Desk::new();
    desk.file("codec.yaml", "name: mine\nrole: codec\ncommand: [./codec]\n")
        .file("client.yaml", "name: mine\nrole: client\ncommand: [./client]\n");
    desk.types("run codec.yaml --filter 'handshake/**'")
        .types("run client.yaml --filter 'codec/**'")
        .types("run client.yaml --filter handshake/acknowledgement/v2-only");
    desk.assert("cases_of_another_role");
}
