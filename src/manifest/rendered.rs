//! Texts as they are sent: a template is rendered, and any other text is taken as it is written.

use std::borrow::Cow;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use crate::diag::{Code, Diagnostic, Place, floor_boundary};
use crate::manifest::node::Node;
use crate::manifest::owner::Owner;
use crate::manifest::reader::Reader;
use crate::manifest::scope::TemplateScope;
use crate::manifest::template::{
    CompiledTemplate, MOST_WORK_OF_ALL, Template, TemplateFlaw, TemplateText, is_template,
};
use crate::manifest::value::{is_within, note_room};

/// The field of a template, and whose it is.
type FieldOf<'f> = (&'f str, Owner<'f>);

/// Fields that may include files: those whose texts are long.
const INCLUDING: [&str; 4] = ["prompt", "promptFile", "systemPrompt", "systemPromptFile"];

impl Reader<'_> {
    /// Renders a text of the manifest where its node is a template; `None` where that cannot be done,
    /// which was reported.
    pub(super) fn rendered<'t>(
        &mut self,
        text: &'t str,
        node: &Node<'_>,
        of: FieldOf<'_>,
    ) -> Option<(Cow<'t, str>, Option<Template>)> {
        let Some(scope) = node.scope.as_ref().filter(|_| is_template(text)) else {
            return Some((Cow::Borrowed(text), None));
        };
        if self.templates.inline(text).is_none() {
            let main = TemplateText::Inline(text.into());
            let compiled = self.compile(&main, text.into(), (node, scope), of);
            self.templates.add(main, compiled);
        }
        let (text, compiled) = self.templates.inline(text)?;
        let compiled = compiled?;
        let rendered = self.render(&compiled, (node, scope), of)?;
        let includes = Arc::clone(&compiled.includes);
        // Without another file it is what it was, whatever else a commit holds.
        let template = (!includes.is_empty()).then(|| Template {
            text: TemplateText::Inline(text),
            scope: Arc::clone(scope),
            includes,
        });
        Some((Cow::Owned(rendered), template))
    }

    /// Renders a file as a template; `read` reads it, where it was not read before.
    pub(super) fn rendered_file(
        &mut self,
        path: &str,
        (node, scope): (&Node<'_>, &Arc<TemplateScope>),
        of: FieldOf<'_>,
        read: impl FnOnce(&mut Self) -> Option<String>,
    ) -> Option<(String, Template)> {
        if self.templates.file(path).is_none() {
            let main = TemplateText::File(path.into());
            let text = read(self);
            let compiled =
                text.and_then(|text| self.compile(&main, text.into(), (node, scope), of));
            self.templates.add(main, compiled);
        }
        let (path, compiled) = self.templates.file(path)?;
        let compiled = compiled?;
        let rendered = self.render(&compiled, (node, scope), of)?;
        let includes = Arc::clone(&compiled.includes);
        let text = TemplateText::File(path);
        Some((rendered, Template { text, scope: Arc::clone(scope), includes }))
    }

    /// Compiles a text, or reports why it cannot be.
    fn compile(
        &mut self,
        main: &TemplateText,
        text: Arc<str>,
        (node, scope): (&Node<'_>, &TemplateScope),
        of: FieldOf<'_>,
    ) -> Option<Rc<CompiledTemplate>> {
        let (source, mut bytes) = (self.source, 0_usize);
        let may_include = INCLUDING.contains(&of.0) || of.0.starts_with("followUps");
        let compiled = CompiledTemplate::compile((main.name(), text), &mut |path| {
            if !may_include {
                return Err("only prompts include files".to_owned().into());
            }
            let text = source.read(path)?;
            bytes = bytes.saturating_add(text.len());
            Ok(text)
        });
        if !self.takes(bytes, node) {
            return None;
        }
        compiled.map(Rc::new).map_err(|flaw| self.report_flaw(flaw, (node, scope), of)).ok()
    }

    /// Renders a text with what its resource sees, or reports why it cannot be.
    fn render(
        &mut self,
        compiled: &CompiledTemplate,
        (node, scope): (&Node<'_>, &Arc<TemplateScope>),
        of: FieldOf<'_>,
    ) -> Option<String> {
        if !is_within(self) || self.templates.work > MOST_WORK_OF_ALL {
            return None;
        }
        match compiled.render(scope) {
            Ok((text, work)) => {
                self.templates.work += work;
                if self.templates.work > MOST_WORK_OF_ALL {
                    let message = "the templates of the manifest do more than prompts need";
                    let finding = self.error(Code::TooMuchText, message, &node.span);
                    self.report(finding.help("divide the manifest, or write simpler templates"));
                    return None;
                }
                self.takes(text.len(), node).then_some(text)
            }
            Err(flaw) => {
                if flaw.is_of_all {
                    self.templates.fail(compiled);
                }
                if !flaw.is_known {
                    self.report_flaw(flaw, (node, scope), of);
                }
                None
            }
        }
    }

    /// Counts the bytes of files and of what is rendered; whether there is room for them.
    fn takes(&mut self, bytes: usize, node: &Node<'_>) -> bool {
        let was_within = is_within(self);
        self.file_bytes = self.file_bytes.saturating_add(bytes);
        note_room(self, was_within, node)
    }

    /// Reports what is wrong with a template, at its own place.
    fn report_flaw(
        &mut self,
        flaw: TemplateFlaw,
        (node, scope): (&Node<'_>, &TemplateScope),
        (field, owner): FieldOf<'_>,
    ) {
        let mut owner = owner.to_string();
        if let (true, Some((base, _))) = (flaw.is_of_all, scope.key.split_once('[')) {
            owner = owner.replace(&format!("`{}`", scope.key), &format!("`{base}`"));
        }
        let message = format!("`{field}` of {owner}: {}", flaw.message);
        let place = if flaw.name.is_empty() {
            self.place_in(node, &flaw)
        } else {
            let file: Arc<Path> = self.folder.join(&flaw.name).into();
            if !self.texts.iter().any(|(known, _)| *known == file) {
                self.texts.push((Arc::clone(&file), flaw.text.to_string()));
            }
            let start = floor_boundary(&flaw.text, flaw.span.start);
            let end = floor_boundary(&flaw.text, flaw.span.end).max(start);
            Place { file, span: start..end }
        };
        let finding = Diagnostic::error(flaw.code, message).at(place);
        self.report(flaw.help.into_iter().fold(finding, Diagnostic::help));
    }

    /// Finds words of a text in its node, which may have other blanks or escapes; else its whole place.
    fn place_in(&self, node: &Node<'_>, flaw: &TemplateFlaw) -> Place {
        let whole = self.place(&node.span);
        let start = floor_boundary(&flaw.text, flaw.span.start);
        let end = floor_boundary(&flaw.text, flaw.span.end).max(start);
        let words = &flaw.text[start..end];
        let source = &self.text[whole.span.clone()];
        let nth = flaw.text[..start].matches(words).count();
        match source.match_indices(words).nth(nth).filter(|_| !words.is_empty()) {
            Some((at, words)) => {
                let start = whole.span.start + at;
                Place { span: start..start + words.len(), ..whole }
            }
            None => whole,
        }
    }
}
