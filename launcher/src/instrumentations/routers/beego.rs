//! `github.com/beego/beego`, formerly `github.com/astaxie/beego`: the pattern that is found is noted in the request's data, and nothing where
//! none is.

use super::OF_REQUEST;
use crate::probes::library::{Annotation, LIBRARY, Library, Moment};

/// The table of version 2.
pub(super) static TABLE_2: Library = Library {
    name: "github.com/beego/beego/v2",
    description: "routes of beego 2",
    tested_versions: "2.0 to 2.3",
    package: "github.com/beego/beego/v2",
    annotations: &[Annotation {
        package: "/server/web",
        functions: &["func (p *ControllerRegister) serveHttp(ctx *beecontext.Context)"],
        moment: Moment::Calls("github.com/beego/beego/v2/server/web/context", SET),
        captures: PATTERN,
        ..OF_REQUEST
    }],
    ..LIBRARY
};

/// The table of version 1.
pub(super) static TABLE: Library = Library {
    name: "github.com/astaxie/beego",
    description: "routes of beego 1",
    tested_versions: "1.12",
    package: "github.com/astaxie/beego",
    annotations: &[Annotation {
        functions: &["func (p *ControllerRegister) ServeHTTP(rw http.ResponseWriter, r *http.Request)"],
        moment: Moment::Calls("github.com/astaxie/beego/context", SET),
        captures: PATTERN,
        ..OF_REQUEST
    }],
    ..LIBRARY
};

/// Called with the pattern alone (`router.go`, `SetData("RouterPattern", routerInfo.pattern)`).
const SET: &str = "func (input *BeegoInput) SetData(key, val interface{})";
const PATTERN: &[(&str, &str)] = &[("route", "val.(string)")];
