//! Holding documents against the schemas that `qcops schema` prints.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use crate::support::repo::Repo;

/// A schema that was printed, compiled.
pub(crate) struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    /// What `qcops schema WHAT` prints.
    pub(crate) fn of(what: &str) -> Self {
        let printed = Repo::plain().run(&["schema".to_owned(), what.to_owned()]);
        assert_eq!((printed.code, printed.err.as_str()), (0, ""));
        let schema: Value = serde_json::from_str(&printed.out).unwrap();
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        let name = format!("{what}.json");
        compiler.add_resource(&name, schema).unwrap();
        let index = compiler.compile(&name, &mut schemas).unwrap();
        Self { schemas, index }
    }

    pub(crate) fn takes(&self, document: &Value) -> bool {
        self.schemas.validate(document, self.index).is_ok()
    }

    pub(crate) fn expect(&self, document: &Value) {
        let judged = self.schemas.validate(document, self.index);
        assert!(judged.is_ok(), "{:#}\n{document:#}", judged.unwrap_err());
    }
}
