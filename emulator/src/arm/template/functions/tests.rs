use serde_json::{Value, json};
use time::macros::datetime;

use super::super::tests::scope;
use super::call;
use super::dates::utc_now;

#[track_caller]
fn check(name: &str, values: &Value, expected: &Value) {
    let values = values.as_array().unwrap();
    let given = call(name, values, &scope()).unwrap_or_else(|| panic!("{name} is not there"));
    assert_eq!(given.as_ref(), Ok(expected), "{name} of {values:?}");
}

#[track_caller]
fn refuse(name: &str, values: &Value) {
    let values = values.as_array().unwrap();
    let given = call(name, values, &scope()).unwrap_or_else(|| panic!("{name} is not there"));
    let problem = given.expect_err(&format!("{name} of {values:?}"));
    assert!(problem.ends_with('.'), "{name}: {problem}");
}

#[test]
fn texts_are_made_of_texts() {
    check("tolower", &json!(["ÄbC"]), &json!("äbc"));
    check("toupper", &json!(["abC"]), &json!("ABC"));
    check("trim", &json!([" a b\n"]), &json!("a b"));
    check("format", &json!(["{0}-{1}{0} {{x}}", "a", 2]), &json!("a-2a {x}"));
    check("replace", &json!(["a.b.c", ".", ""]), &json!("abc"));
    check("split", &json!(["a-b_c", ["-", "_"]]), &json!(["a", "b", "c"]));
    check("split", &json!(["a,b", ","]), &json!(["a", "b"]));
    check("join", &json!([["a", 1, true], ","]), &json!("a,1,True"));
    check("substring", &json!(["äbcd", 1, 2]), &json!("bc"));
    check("substring", &json!(["abc", 3]), &json!(""));
    check("padleft", &json!([7, 3, "0"]), &json!("007"));
    check("startswith", &json!(["Abc", "aB"]), &json!(true));
    check("endswith", &json!(["abc", "bd"]), &json!(false));
    check("string", &json!([{"a": [1]}]), &json!("{\"a\":[1]}"));
    check("string", &json!([true]), &json!("True"));
    check("concat", &json!(["a", 1, false]), &json!("a1False"));
}

#[test]
fn lists_and_objects_are_made_of_others() {
    check("concat", &json!([[1], [2, 3]]), &json!([1, 2, 3]));
    check("createarray", &json!([1, "a"]), &json!([1, "a"]));
    check("createobject", &json!(["a", 1, "b", []]), &json!({"a": 1, "b": []}));
    check("array", &json!(["a"]), &json!(["a"]));
    check("array", &json!([["a"]]), &json!(["a"]));
    check("contains", &json!(["abc", "B"]), &json!(false));
    check("contains", &json!([{"Abc": 1}, "aBC"]), &json!(true));
    check("contains", &json!([[1, 2], 2]), &json!(true));
    check("empty", &json!([""]), &json!(true));
    check("empty", &json!([null]), &json!(true));
    check("empty", &json!([{"a": 1}]), &json!(false));
    check("length", &json!(["äb"]), &json!(2));
    check("first", &json!(["äb"]), &json!("ä"));
    check("last", &json!([[1, 2]]), &json!(2));
    check("first", &json!([[]]), &json!(null));
    check("take", &json!(["abc", 2]), &json!("ab"));
    check("take", &json!([[1, 2], 9]), &json!([1, 2]));
    check("skip", &json!(["abc", -1]), &json!("abc"));
    check("skip", &json!([[1, 2], 1]), &json!([2]));
    check("indexof", &json!(["aBc", "b"]), &json!(1));
    check("lastindexof", &json!(["abab", "b"]), &json!(3));
    check("indexof", &json!([[1, 2], 3]), &json!(-1));
    check("union", &json!([[1, 2], [2, 3]]), &json!([1, 2, 3]));
    check("union", &json!([{"a": {"x": 1}}, {"a": {"y": 2}}]), &json!({"a": {"x": 1, "y": 2}}));
    check("intersection", &json!([[1, 2, 3], [3, 1]]), &json!([1, 3]));
    check("intersection", &json!([{"a": 1, "b": 2}, {"a": 1, "b": 3}]), &json!({"a": 1}));
    check("range", &json!([3, 3]), &json!([3, 4, 5]));
    check("items", &json!([{"a": 1}]), &json!([{"key": "a", "value": 1}]));
    check("objectkeys", &json!([{"a": 1}]), &json!(["a"]));
    check("flatten", &json!([[[1], [2, 3]]]), &json!([1, 2, 3]));
    check("tryget", &json!([{"a": [1]}, "A", 0]), &json!(1));
    check("tryget", &json!([{"a": [1]}, "b", 0]), &json!(null));
    check("coalesce", &json!([null, 0, 1]), &json!(0));
}

#[test]
fn values_are_compared_and_computed() {
    check("and", &json!([true, true, false]), &json!(false));
    check("or", &json!([false, true]), &json!(true));
    check("not", &json!([false]), &json!(true));
    check("equals", &json!([1, 1.0]), &json!(true));
    check("equals", &json!(["a", "A"]), &json!(false));
    check("less", &json!([1, 2]), &json!(true));
    check("lessorequals", &json!(["b", "a"]), &json!(false));
    check("greater", &json!([2, 1]), &json!(true));
    check("greaterorequals", &json!([1, 1]), &json!(true));
    check("bool", &json!(["TRUE"]), &json!(true));
    check("bool", &json!([0]), &json!(false));
    check("null", &json!([]), &json!(null));
    check("add", &json!([1, 2]), &json!(3));
    check("sub", &json!([1, 2]), &json!(-1));
    check("mul", &json!([3, 2]), &json!(6));
    check("div", &json!([7, 2]), &json!(3));
    check("mod", &json!([7, 4]), &json!(3));
    check("min", &json!([[3, 1]]), &json!(1));
    check("max", &json!([3, 1]), &json!(3));
    check("int", &json!(["12"]), &json!(12));
}

#[test]
fn forms_of_texts_are_read_and_written() {
    check("json", &json!(["{'a': [1,]} // x"]), &json!({"a": [1]}));
    check("base64", &json!(["ä"]), &json!("w6Q="));
    check("base64tostring", &json!(["w6Q="]), &json!("ä"));
    check("base64tojson", &json!(["eyJhIjoxfQ=="]), &json!({"a": 1}));
    check("uricomponent", &json!(["a b/ä"]), &json!("a%20b%2F%C3%A4"));
    check("uricomponenttostring", &json!(["a%20b"]), &json!("a b"));
}

#[test]
fn ids_are_made_of_types_and_names() {
    let group = "/subscriptions/sub/resourceGroups/Group";

    check("resourceid", &json!(["N/a", "x"]), &json!(format!("{group}/providers/N/a/x")));
    check(
        "resourceid",
        &json!(["N/a/b", "x", "y"]),
        &json!(format!("{group}/providers/N/a/x/b/y")),
    );
    check(
        "resourceid",
        &json!(["other", "N/a", "x"]),
        &json!("/subscriptions/sub/resourceGroups/other/providers/N/a/x"),
    );
    check(
        "resourceid",
        &json!(["s2", "g2", "N/a", "x"]),
        &json!("/subscriptions/s2/resourceGroups/g2/providers/N/a/x"),
    );
    check(
        "subscriptionresourceid",
        &json!(["N/a", "x"]),
        &json!("/subscriptions/sub/providers/N/a/x"),
    );
    check("tenantresourceid", &json!(["N/a", "x"]), &json!("/providers/N/a/x"));
    check("extensionresourceid", &json!(["/s/x", "N/a", "y"]), &json!("/s/x/providers/N/a/y"));
    for values in [
        json!([]),
        json!(["x"]),
        json!(["N/a"]),
        json!(["N/a", "x", "y"]),
        json!(["a", "b", "c", "N/a", "x"]),
        json!([1]),
    ] {
        refuse("resourceid", &values);
    }
}

#[test]
fn arguments_that_a_function_does_not_take_are_refused_with_a_sentence() {
    for (name, values) in [
        ("tolower", json!([1])),
        ("concat", json!([])),
        ("concat", json!(["a", [1]])),
        ("format", json!(["{1}", "a"])),
        ("format", json!(["{0:D3}", 1])),
        ("format", json!(["{0"])),
        ("replace", json!(["a", "", "b"])),
        ("substring", json!(["abc", 2, 2])),
        ("substring", json!(["abc", -1])),
        ("padleft", json!(["a", 17])),
        ("createobject", json!(["a"])),
        ("range", json!([0, 10_001])),
        ("range", json!([i64::MAX, 1])),
        ("union", json!([[1], {}])),
        ("and", json!([true])),
        ("not", json!(["true"])),
        ("less", json!([1, "2"])),
        ("bool", json!(["yes"])),
        ("div", json!([1, 0])),
        ("mod", json!([i64::MIN, -1])),
        ("add", json!([i64::MAX, 1])),
        ("int", json!(["1.5"])),
        ("json", json!(["{"])),
        ("base64tostring", json!(["?"])),
        ("uniquestring", json!([[]])),
        ("guid", json!([])),
    ] {
        refuse(name, &values);
    }
}

#[test]
fn a_short_call_cannot_make_a_long_text() {
    let long = "x".repeat(3 << 20);
    let many = json!(["{0}{0}", long]);
    refuse("format", &many);
    refuse("concat", &json!([long, long]));
    refuse("join", &json!([["", "", "", ""], long]));
    refuse("replace", &json!(["xx", "x", long]));
}

#[test]
fn the_time_of_a_deployment_has_the_requested_format() {
    let now = datetime!(2031-02-03 04:05:06.007 UTC);

    for (form, expected) in [
        (vec![], "20310203T040506Z"),
        (vec![json!("u")], "2031-02-03 04:05:06Z"),
        (vec![json!("yyyy-MM-ddTHH:mm:ss.fffZ")], "2031-02-03T04:05:06.007Z"),
    ] {
        assert_eq!(utc_now(now, &form), Ok(json!(expected)));
    }
    assert!(utc_now(now, &[json!("dddd")]).is_err());
    assert!(utc_now(now, &[json!(1)]).is_err());
}
