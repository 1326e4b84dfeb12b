//! Conversations that are kept: each as Markdown for people and as JSON with all there is.

use serde_json::Value;

use crate::model::visible_json;
use crate::render::transcript::{self, Title};
use crate::saved::SavedError;
use crate::store::Artifacts;
use crate::transcript::Transcript;

/// The most characters of a deployment's id that are a part of a file's name.
const LONGEST: usize = 100;

/// A conversation that is kept.
#[derive(Clone, Copy, Debug)]
pub struct Conversation<'a> {
    /// Which one it is.
    pub title: Title<'a>,
    /// What of it is kept.
    pub said: Said<'a>,
}

/// What is kept of a conversation.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// What was read off it, in both forms.
    Read(&'a Transcript),
    /// As the service shows it.
    Whole {
        /// All of it, for the JSON form.
        json: &'a Value,
        /// What was read off it, or why that cannot be, for the Markdown form.
        read: Result<&'a Transcript, &'a str>,
    },
}

impl Conversation<'_> {
    /// Writes both forms; they are named after the deployment, behind `stem`.
    ///
    /// Nothing is saved before both are: one that cannot be written is the error of both. The JSON form
    /// holds all there is and comes first: Markdown never stands alone.
    pub async fn save(&self, artifacts: &Artifacts, stem: &str) -> Result<(), SavedError> {
        let run = self.title.run;
        // The id is the service's word.
        let is_plain = run.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if run.is_empty() || !is_plain || run.len() > LONGEST {
            return Err(SavedError::NoName { id: run.to_owned() });
        }
        artifacts.write(&format!("{stem}{run}.json"), self.json().into_bytes()).await?;
        Ok(artifacts.write(&format!("{stem}{run}.md"), self.markdown().into_bytes()).await?)
    }

    fn markdown(&self) -> String {
        let mut text = String::new();
        let written = match self.said {
            Said::Read(said) | Said::Whole { read: Ok(said), .. } => {
                transcript::markdown(self.title, said, &mut text)
            }
            Said::Whole { read: Err(why), .. } => transcript::unread(self.title, why, &mut text),
        };
        written.expect("a string takes everything");
        text
    }

    fn json(&self) -> String {
        match self.said {
            Said::Read(said) => {
                let mut text = String::new();
                transcript::json(self.title, said, &mut text).expect("a string takes everything");
                text
            }
            Said::Whole { json, .. } => visible_json(&format!("{json:#}")) + "\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::files::{Files, Memory};
    use crate::transcript::{Message, Part};

    async fn saved(conversation: Conversation<'_>) -> (String, String) {
        let files = Memory::default();
        let artifacts = Artifacts::in_folder(Arc::new(files.clone()), "kept".into());
        conversation.save(&artifacts, "spy.first.").await.unwrap();
        let read = |ending: &str| {
            let path = format!("kept/spy.first.A-1.{ending}");
            String::from_utf8(files.read(Path::new(&path)).unwrap().unwrap()).unwrap()
        };
        (read("md"), read("json"))
    }

    const TITLE: Title<'static> = Title { name: None, run: "A-1", status: Some("Completed") };

    #[tokio::test]
    async fn both_forms_hold_what_was_said() {
        let parts = Some(vec![Part::Text("Say\u{202e} hi".to_owned())]);
        let message = Message { role: Some("user".to_owned()), time: None, parts };
        let said = Transcript { messages: vec![message], ..Transcript::default() };
        let whole = serde_json::json!({"messages": [{"odd": "Say\u{202e} hi"}]});
        let (markdown, json) = saved(Conversation { title: TITLE, said: Said::Read(&said) }).await;
        assert!(markdown.contains("Say\\u{202e} hi"), "{markdown}");
        assert!(json.contains("\"turns\"") && json.contains("Say\\u202e hi"), "{json}");
        let said = Said::Whole { json: &whole, read: Ok(&said) };
        let (again, json) = saved(Conversation { title: TITLE, said }).await;
        assert_eq!(again, markdown);
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), whole);
        let said = Said::Whole { json: &whole, read: Err("no `messages`") };
        let (markdown, _) = saved(Conversation { title: TITLE, said }).await;
        assert!(markdown.contains("no `messages`"), "{markdown}");
    }

    #[tokio::test]
    async fn an_id_that_leads_elsewhere_names_no_file() {
        let artifacts = Artifacts::in_folder(Arc::new(Memory::default()), "kept".into());
        let said = Transcript::default();
        for run in ["", "../x", "a/b", "a.b", "a\u{202e}", &"a".repeat(101)] {
            let title = Title { run, ..TITLE };
            let conversation = Conversation { title, said: Said::Read(&said) };
            let saved = conversation.save(&artifacts, "").await;
            assert!(matches!(saved, Err(SavedError::NoName { .. })), "{run:?}");
        }
    }
}
