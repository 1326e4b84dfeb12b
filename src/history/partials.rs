//! The files that earlier templates included: which they were in a commit, and what was in them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::history::git::GitError;
use crate::history::objects::{Objects, Oid, join};
use crate::manifest::{CompiledTemplate, Source, TemplateText, Unreadable, includes_of, stand_in};

/// The most files that are followed from one template.
const MOST_FILES: usize = 200;

/// The files of a template in one commit, as paths from the top; `None` where there is no such file.
pub(super) type TemplateFiles = BTreeMap<String, Option<Oid>>;

/// Where a template of an earlier manifest stands: the manifest's folder, and the text.
pub(super) type TemplateAt = (String, TemplateText);

/// What texts include, each looked into once.
#[derive(Default)]
pub(super) struct Partials {
    by_blob: BTreeMap<Oid, Rc<[String]>>,
    by_text: BTreeMap<Arc<str>, Rc<[String]>>,
}

impl Partials {
    /// Finds the files that a template was made of in a commit.
    pub(super) fn of_template(
        &mut self,
        objects: &mut Objects,
        tree: Oid,
        (folder, text): &TemplateAt,
    ) -> Result<TemplateFiles, GitError> {
        let first = match text {
            TemplateText::File(path) => vec![path.to_string()],
            TemplateText::Inline(text) => {
                let looked = self.by_text.entry(Arc::clone(text));
                looked.or_insert_with(|| includes_of(text).into()).to_vec()
            }
        };
        let first = first.iter().map(|path| join(folder, path).ok_or_else(|| path.clone()));
        self.all(objects, tree, folder, first.collect())
    }

    /// Finds files and those that they include, if they are templates.
    pub(super) fn of_files(
        &mut self,
        objects: &mut Objects,
        tree: Oid,
        (folder, files): (&str, &BTreeSet<String>),
    ) -> Result<TemplateFiles, GitError> {
        self.all(objects, tree, folder, files.iter().cloned().map(Ok).collect())
    }

    /// Follows the includes of files; one that leads out of the repository is no file.
    fn all(
        &mut self,
        objects: &mut Objects,
        tree: Oid,
        folder: &str,
        mut waiting: Vec<Result<String, String>>,
    ) -> Result<TemplateFiles, GitError> {
        let mut found = TemplateFiles::new();
        while let Some(next) = waiting.pop() {
            let (path, is_inside) = match next {
                Ok(path) => (path, true),
                Err(path) => (path, false),
            };
            if found.contains_key(&path) || found.len() > MOST_FILES {
                continue;
            }
            let blob = if is_inside { objects.find(tree, &path)? } else { None };
            found.insert(path, blob);
            let Some(blob) = blob else { continue };
            let includes = self.includes(objects, blob)?;
            let inside = |path: &String| join(folder, path).ok_or_else(|| path.clone());
            waiting.extend(includes.iter().map(inside));
        }
        Ok(found)
    }

    fn includes(&mut self, objects: &mut Objects, blob: Oid) -> Result<Rc<[String]>, GitError> {
        if let Some(known) = self.by_blob.get(&blob) {
            return Ok(Rc::clone(known));
        }
        let bytes = objects.read(&[blob])?.pop().and_then(Result::ok).unwrap_or_default();
        let includes: Rc<[String]> = includes_of(&String::from_utf8_lossy(&bytes)).into();
        self.by_blob.insert(blob, Rc::clone(&includes));
        Ok(includes)
    }
}

/// The texts of the files of a template, by their paths from the top.
struct PartialTexts<'p> {
    folder: &'p str,
    texts: BTreeMap<&'p str, Result<String, String>>,
}

impl Source for PartialTexts<'_> {
    fn read(&self, path: &str) -> Result<String, Unreadable> {
        let below = join(self.folder, path);
        let text = below.and_then(|below| self.texts.get(&*below).cloned());
        text.unwrap_or_else(|| Err(format!("`{path}` is not in the commit")))
            .map_err(Unreadable::from)
    }
}

/// Compiles a template from the files that it was made of, or says why it cannot be.
pub(super) fn compile(
    objects: &mut Objects,
    (folder, text): &TemplateAt,
    files: &TemplateFiles,
) -> Result<Result<CompiledTemplate, String>, GitError> {
    let known: Vec<(&str, Oid)> =
        files.iter().filter_map(|(path, blob)| Some((path.as_str(), (*blob)?))).collect();
    let blobs: Vec<Oid> = known.iter().map(|(_, blob)| *blob).collect();
    let mut texts = BTreeMap::new();
    for ((path, _), bytes) in known.into_iter().zip(objects.read(&blobs)?) {
        let text = match bytes {
            Err(_) => Err(format!("`{path}` cannot be read")),
            Ok(bytes) => match stand_in("", &bytes) {
                Some((what, _)) => Err(format!("`{path}` is {what}")),
                None => String::from_utf8(bytes).map_err(|_| format!("`{path}` is not UTF-8")),
            },
        };
        texts.insert(path, text);
    }
    Ok(CompiledTemplate::read(text, &PartialTexts { folder, texts }))
}
