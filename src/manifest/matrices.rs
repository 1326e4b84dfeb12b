//! What a reader does with the resources of a matrix that it does with no other.

use crate::diag::Code;
use crate::manifest::entries::Entries;
use crate::manifest::node::{Node, Origin};
use crate::manifest::owner::Owner;
use crate::manifest::reader::{Reader, position};
use crate::model::Key;

impl Reader<'_> {
    /// Reads one of the resources that a matrix makes: findings that differ in the key alone are one.
    pub(super) fn gather<T>(
        &mut self,
        (key, key_node): (&Key, &Node<'_>),
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.gathered.begin(&key_node.span, &mut self.findings);
        if !key.is_of_matrix() {
            return read(self);
        }
        let before = std::mem::take(&mut self.findings);
        let done = read(self);
        let found = std::mem::replace(&mut self.findings, before);
        self.gathered.add(key, found.in_order(position));
        done
    }

    /// Checks `template`, and whether the matrix of a resource could not be expanded, which was reported:
    /// its other fields may be what one of the matrix needs, and are not read.
    pub(super) fn is_matrix_left_out(
        &mut self,
        entries: &Entries<'_, '_>,
        owner: Owner<'_>,
    ) -> bool {
        if let Some(node) = entries.value("template") {
            self.boolean(node, "template", owner);
        }
        let is_it = entries.value("matrix").is_some_and(|node| node.origin == Origin::Unresolved);
        self.is_matrix_broken |= is_it;
        is_it
    }

    /// Reports a key that only a matrix has.
    pub(super) fn of_matrix(&mut self, key: &Key, node: &Node<'_>) {
        let message = format!("`{key}` is a key that no manifest writes");
        let finding = self.error(Code::InvalidKey, message, &node.span);
        let help = format!("write a `matrix` in `{}`: it makes such keys", key.base());
        self.report(finding.help(help));
    }
}
