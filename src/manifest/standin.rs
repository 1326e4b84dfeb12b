//! Files that stand for a prompt without being it: what a tool leaves where the content is elsewhere.

use std::borrow::Cow;

use memchr::memmem;

/// The longest stand-in, in bytes; a text that only begins like one is a prompt.
const LONGEST: usize = 2_000;

/// What a stand-in is, and the command that puts the content in its place; `{}` is the path.
struct StandInKind {
    name: &'static str,
    command: &'static str,
    is: fn(&str) -> bool,
    /// Whether its content is in it, so that it may have any length.
    holds_content: bool,
}

const KINDS: &[StandInKind] = &[
    StandInKind {
        name: "a Git LFS pointer",
        command: "git lfs pull --include={}",
        is: |text| {
            let first = text.lines().next().unwrap_or_default();
            let specs = [
                "https://git-lfs.github.com/spec/",
                "https://hawser.github.com/spec/",
                "http://git-media.io/v/",
            ];
            let version = first.strip_prefix("version ").unwrap_or_default().trim_start();
            let has = |field: &str| text.lines().any(|line| line.starts_with(field));
            specs.iter().any(|spec| version.starts_with(spec)) && has("oid ") && has("size ")
        },
        holds_content: false,
    },
    StandInKind {
        name: "a git-annex pointer",
        command: "git annex get {}",
        is: |text| {
            let first = text.lines().next().unwrap_or_default().replace('\\', "/");
            let is_link = first.contains(".git/annex/objects/") && !first.contains(' ');
            first.starts_with("/annex/objects/") || is_link
        },
        holds_content: false,
    },
    StandInKind {
        name: "a git-fat pointer",
        command: "git fat pull {}",
        is: |text| text.starts_with("#$# git-fat "),
        holds_content: false,
    },
    StandInKind {
        name: "a DVC stub, and the text is in the file that its `path:` names",
        command: "dvc pull {}",
        is: |text| {
            let fields = || text.lines().map(|line| line.trim_start_matches([' ', '-']));
            let has =
                |names: &[&str]| fields().any(|line| names.iter().any(|n| line.starts_with(n)));
            let is_field = |line: &str| {
                let name = line.split_once(':').map_or("x x", |(name, _)| name);
                line.trim().is_empty() || !name.contains(' ')
            };
            text.lines().any(|line| line.trim_end() == "outs:")
                && has(&["md5:", "hash:"])
                && has(&["path:"])
                && fields().all(is_field)
        },
        holds_content: false,
    },
    StandInKind {
        name: "encrypted by git-crypt",
        command: "git-crypt unlock",
        is: |text| text.starts_with("\0GITCRYPT\0"),
        holds_content: true,
    },
    StandInKind {
        name: "encrypted by transcrypt",
        command: "transcrypt",
        is: |text| text.starts_with("U2FsdGVkX1") && !text.trim_end().contains(' '),
        holds_content: true,
    },
    StandInKind {
        name: "encrypted by Ansible Vault",
        command: "ansible-vault decrypt {}",
        is: |text| text.starts_with("$ANSIBLE_VAULT;"),
        holds_content: true,
    },
    StandInKind {
        name: "encrypted by SOPS",
        command: "sops --decrypt --in-place {}",
        // A value of its own, not a word of a sentence.
        is: |text| {
            memmem::find_iter(text.as_bytes(), "ENC[AES256_GCM,").any(|at| {
                let before = text[..at].trim_end_matches([' ', '"', '\'']);
                before.is_empty() || before.ends_with([':', '=', '\n'])
            })
        },
        holds_content: true,
    },
    StandInKind {
        name: "encrypted by PGP",
        command: "gpg --decrypt {} > NEW && mv NEW {}",
        is: |text| text.starts_with("-----BEGIN PGP MESSAGE-----"),
        holds_content: true,
    },
    StandInKind {
        name: "encrypted by age",
        command: "age --decrypt -i KEY {} > NEW && mv NEW {}",
        is: |text| {
            text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----")
                || text.starts_with("age-encryption.org/v1")
        },
        holds_content: true,
    },
];

/// Returns what a file is where it only stands for its content, and the command that fetches it.
pub fn stand_in(path: &str, bytes: &[u8]) -> Option<(&'static str, String)> {
    let start = bytes.get(..LONGEST).unwrap_or(bytes);
    // An encrypted file is no UTF-8 but at its start.
    let text = str::from_utf8(start).map_or_else(|_| String::from_utf8_lossy(start), Cow::Borrowed);
    let text = text.trim_start_matches('\u{feff}');
    let fits =
        |kind: &&StandInKind| (kind.holds_content || bytes.len() <= LONGEST) && (kind.is)(text);
    KINDS.iter().find(fits).map(|kind| (kind.name, kind.command.replace("{}", &shell_word(path))))
}

/// Returns what a whole text is that is hardly meant as a prompt, though it can be.
pub(super) fn hardly_a_prompt(text: &str) -> Option<&'static str> {
    let start = text.trim_start();
    let is_first =
        |mark: &&str| start.get(..mark.len()).is_some_and(|first| first.eq_ignore_ascii_case(mark));
    if ["<!doctype html", "<html"].iter().any(is_first) {
        return Some("an HTML page");
    }
    let begins = |mark: &str| text.lines().any(|line| line.starts_with(mark));
    let is_diff = ["--- ", "diff --git "].iter().any(|mark| start.starts_with(mark));
    (is_diff && begins("--- ") && begins("+++ ") && begins("@@ ")).then_some("a diff")
}

/// A path as a shell takes it.
pub fn shell_word(path: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    if path.chars().all(is_plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_stands_for_a_prompt_is_known_and_what_speaks_of_it_is_not() {
        let oid = "0".repeat(64);
        let lfs = |version: &str| format!("version {version}\noid sha256:{oid}\nsize 25\n");
        let specification = lfs("https://git-lfs.github.com/spec/v1");
        let table = [
            (specification.clone(), "git lfs pull --include=p.md"),
            (specification.replace('\n', "\r\n"), "git lfs pull --include=p.md"),
            (specification.trim_end().to_owned(), "git lfs pull --include=p.md"),
            (lfs("https://git-lfs.github.com/spec/v2"), "git lfs pull --include=p.md"),
            (lfs("https://hawser.github.com/spec/v1"), "git lfs pull --include=p.md"),
            (
                format!(
                    "version https://git-lfs.github.com/spec/v1\next-0-x sha256:{oid}\noid sha256:{oid}\nsize 1\n"
                ),
                "git lfs pull --include=p.md",
            ),
            (format!("/annex/objects/SHA256E-s25--{oid}.md\n"), "git annex get p.md"),
            (format!("../.git/annex/objects/a/b/SHA256E-s25--{oid}.md/x"), "git annex get p.md"),
            (format!("#$# git-fat {oid} 25\n"), "git fat pull p.md"),
            ("\0GITCRYPT\0\u{1}\u{2}".to_owned(), "git-crypt unlock"),
            (format!("U2FsdGVkX1{}\n", "a".repeat(9_000)), "transcrypt"),
            ("$ANSIBLE_VAULT;1.1;AES256\n3361\n".to_owned(), "ansible-vault decrypt p.md"),
            (
                "-----BEGIN AGE ENCRYPTED FILE-----\n".to_owned(),
                "age --decrypt -i KEY p.md > NEW && mv NEW p.md",
            ),
            (lfs("http://git-media.io/v/2"), "git lfs pull --include=p.md"),
            (
                "-----BEGIN PGP MESSAGE-----\n\nhQ\n".to_owned(),
                "gpg --decrypt p.md > NEW && mv NEW p.md",
            ),
            (
                "{\"data\": \"ENC[AES256_GCM,data:a,iv:b]\", \"sops\": {}}".to_owned(),
                "sops --decrypt --in-place p.md",
            ),
            ("prompt: ENC[AES256_GCM,data:a,iv:b]\n".to_owned(), "sops --decrypt --in-place p.md"),
            ("A=ENC[AES256_GCM,data:a,iv:b]\n".to_owned(), "sops --decrypt --in-place p.md"),
            (
                format!("outs:\n- md5: {}\n  size: 25\n  hash: md5\n  path: p.md\n", &oid[..32]),
                "dvc pull p.md",
            ),
        ];
        for (text, command) in table {
            let found = stand_in("p.md", text.as_bytes()).map(|(_, command)| command);
            assert_eq!(found.as_deref(), Some(command), "{text}");
        }
        let prompts = [
            String::new(),
            "Research momentum on SPY".to_owned(),
            "Explain `version https://git-lfs.github.com/spec/v1`".to_owned(),
            "version https://git-lfs.github.com/spec/v1 is what pointers begin with. Explain it."
                .to_owned(),
            format!("{specification}\n{}", "Explain each of these lines. ".repeat(200)),
            "Look into .git/annex/objects/ and say what is there".to_owned(),
            "Find `ENC[AES256_GCM,` and ENC[AES256_GCM, in all files".to_owned(),
            "Explain -----BEGIN PGP MESSAGE-----".to_owned(),
            "outs:\n- md5: 0\n  path: p.md\nThis is what a stub holds: explain it.".to_owned(),
            "U2FsdGVkX1 is what such files begin with. Explain it.".to_owned(),
        ];
        for text in prompts {
            assert_eq!(stand_in("p.md", text.as_bytes()), None, "{text}");
        }
        let quoted =
            stand_in("my prompt's.md", specification.as_bytes()).map(|(_, command)| command);
        assert_eq!(quoted.as_deref(), Some("git lfs pull --include='my prompt'\\''s.md'"));
    }

    #[test]
    fn a_page_and_a_diff_are_hardly_prompts_and_talk_of_them_is_one() {
        let table = [
            ("<!DOCTYPE html>\n<html lang=\"en\">\n", Some("an HTML page")),
            ("\n<HTML><body>Sign in</body></HTML>", Some("an HTML page")),
            ("--- a/p.md\n+++ b/p.md\n@@ -1 +1 @@\n-a\n+b\n", Some("a diff")),
            (
                "diff --git a/p b/p\nindex 1..2\n--- a/p\n+++ b/p\n@@ -1 +1 @@\n-a\n+b\n",
                Some("a diff"),
            ),
            ("Explain <!DOCTYPE html> and <html>", None),
            ("Review this:\n--- a/p.md\n+++ b/p.md\n@@ -1 +1 @@\n-a\n+b\n", None),
            ("--- a rule\nBe brief.", None),
            ("", None),
        ];
        for (text, what) in table {
            assert_eq!(hardly_a_prompt(text), what, "{text}");
        }
    }
}
