//! Conversations as files: each as Markdown for people and as JSON with all there is.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::files::Files;
use crate::model::visible_json;
use crate::render::transcript::{self, Title};
use crate::store::StoreError;
use crate::transcript::Transcript;

/// The most characters of a run's id that are a part of a file's name.
const LONGEST: usize = 100;

/// A conversation that is kept.
#[derive(Clone, Copy, Debug)]
pub struct Conversation<'a> {
    /// Which one it is.
    pub title: Title<'a>,
    /// What was said, or why that cannot be read off it.
    pub said: Result<&'a Transcript, &'a str>,
    /// As the service shows it, where that is kept in place of what was read off it.
    pub whole: Option<&'a Value>,
}

impl Conversation<'_> {
    /// Writes both forms into `folder`; they are named after the run, behind `stem`.
    ///
    /// Nothing is saved before both are: one that cannot be written is the error of both.
    pub fn save(&self, files: &dyn Files, folder: &Path, stem: &str) -> Result<(), StoreError> {
        let run = self.title.run;
        // The id is the service's word.
        let is_plain = run.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if run.is_empty() || !is_plain || run.len() > LONGEST {
            return Err(StoreError::NoName { id: run.to_owned() });
        }
        let path = |ending: &str| -> PathBuf { folder.join(format!("{stem}{run}.{ending}")) };
        files.write(&path("md"), self.markdown().as_bytes())?;
        Ok(files.write(&path("json"), self.json().as_bytes())?)
    }

    fn markdown(&self) -> String {
        let mut text = String::new();
        let written = match self.said {
            Ok(said) => transcript::markdown(self.title, said, &mut text),
            Err(why) => transcript::unread(self.title, why, &mut text),
        };
        written.expect("a string takes everything");
        text
    }

    fn json(&self) -> String {
        match (self.whole, self.said) {
            (Some(whole), _) => visible_json(&format!("{whole:#}")) + "\n",
            (None, said) => {
                let nothing = Transcript::default();
                transcript::json(self.title, said.unwrap_or(&nothing))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Memory;
    use crate::transcript::{Message, Part};

    fn saved(conversation: Conversation<'_>) -> (String, String) {
        let files = Memory::default();
        conversation.save(&files, Path::new("kept"), "spy.first.").unwrap();
        let read = |ending: &str| {
            let path = format!("kept/spy.first.A-1.{ending}");
            String::from_utf8(files.read(Path::new(&path)).unwrap().unwrap()).unwrap()
        };
        (read("md"), read("json"))
    }

    const TITLE: Title<'static> = Title { name: None, run: "A-1", status: Some("Completed") };

    #[test]
    fn both_forms_hold_what_was_said() {
        let parts = Some(vec![Part::Text("Say\u{202e} hi".to_owned())]);
        let message = Message { role: Some("user".to_owned()), time: None, parts };
        let said = Transcript { messages: vec![message], ..Transcript::default() };
        let whole = serde_json::json!({"messages": [{"odd": "Say\u{202e} hi"}]});
        let read = Conversation { title: TITLE, said: Ok(&said), whole: None };
        let (markdown, json) = saved(read);
        assert!(markdown.contains("Say\\u{202e} hi"), "{markdown}");
        assert!(json.contains("\"turns\"") && json.contains("Say\\u202e hi"), "{json}");
        let (again, json) = saved(Conversation { whole: Some(&whole), ..read });
        assert_eq!(again, markdown);
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), whole);
        let unread = Conversation { said: Err("no `messages`"), whole: Some(&whole), ..read };
        let (markdown, _) = saved(unread);
        assert!(markdown.contains("no `messages`"), "{markdown}");
    }

    #[test]
    fn an_id_that_leads_elsewhere_names_no_file() {
        let files = Memory::default();
        let said = Transcript::default();
        for run in ["", "../x", "a/b", "a.b", "a\u{202e}", &"a".repeat(101)] {
            let title = Title { run, ..TITLE };
            let conversation = Conversation { title, said: Ok(&said), whole: None };
            let saved = conversation.save(&files, Path::new("kept"), "");
            assert!(matches!(saved, Err(StoreError::NoName { .. })), "{run:?}");
        }
    }
}
