//! Hand-written pairs of requests and answers, one model for each protocol.

use bytes::Bytes;
use http::StatusCode;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::aws::model::Model;

/// A service with one operation `Op` over shapes that hold every kind of value.
fn model(protocol: &str, uri: &str, wrapper: &str, more: &str) -> Model {
    let text = format!(
        r#"{{"source":"test","partitions":{{}},"services":{{"x":{{
        "protocol":"{protocol}","api_version":"2020-01-01","signing_name":"x","target":"X_2020","json_version":"1.1","hosts":{{}},
        "operations":{{"Op":{{"method":"POST","uri":"{uri}","input":{{"shape":"In","name":"OpRequest"}},"output":{{"shape":"Out"}}{wrapper}}}}},
        "shapes":{{{more}
        "Out":{{"type":"structure","members":{{
          "Text":{{"shape":"String","name":"text"}},"Count":{{"shape":"Integer","name":"count"}},"Share":{{"shape":"Float","name":"share"}},
          "On":{{"shape":"Boolean","name":"on"}},"At":{{"shape":"Timestamp","name":"at"}},"Bytes":{{"shape":"Blob","name":"bytes"}},
          "Items":{{"shape":"Things","name":"itemSet"}},"Flat":{{"shape":"Strings","name":"flat","flattened":true}},
          "Pairs":{{"shape":"Pairs","name":"pairs"}},"FlatPairs":{{"shape":"Pairs","name":"flatPairs","flattened":true}},
          "Kind":{{"shape":"Union","name":"kind"}}}}}},
        "Thing":{{"type":"structure","members":{{"Name":{{"shape":"String","name":"name"}},"Inner":{{"shape":"Thing","name":"inner"}}}}}},
        "Things":{{"type":"list","member":{{"shape":"Thing","name":"item"}}}},
        "Union":{{"type":"structure","union":true,"members":{{"A":{{"shape":"String","name":"a"}},"B":{{"shape":"String","name":"b"}}}}}},
        "Strings":{{"type":"list","member":{{"shape":"String"}}}},
        "Pairs":{{"type":"map","key":{{"shape":"String"}},"value":{{"shape":"String"}}}},
        "String":{{"type":"string"}},"Integer":{{"type":"integer"}},"Float":{{"type":"double"}},"Boolean":{{"type":"boolean"}},
        "Timestamp":{{"type":"timestamp"}},"Blob":{{"type":"blob"}}}}}}}}}}"#
    );
    Model::read(text.as_bytes()).unwrap()
}

const BODY_INPUT: &str = r#""In":{"type":"structure","required":["Name"],"members":{
    "Name":{"shape":"String"},"Count":{"shape":"Integer"},"On":{"shape":"Boolean"},"At":{"shape":"Timestamp"},
    "Bytes":{"shape":"Blob"},"Ids":{"shape":"Strings","name":"id"},"FlatIds":{"shape":"Strings","flattened":true},
    "Things":{"shape":"Things"},"Pairs":{"shape":"Pairs"},"Wire":{"shape":"String","name":"wireName","query_name":"QueryName"},
    "Token":{"shape":"String","token":true}}},"#;

fn request(model: &Model, params: Json) -> Outcome<WireRequest> {
    let service = model.service("x").unwrap();
    serialise(service, service.operation("Op").unwrap(), params.as_object().unwrap())
}

fn response(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> HttpResponse {
    let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    HttpResponse { status: StatusCode::from_u16(status).unwrap(), headers, body: Bytes::from(body.to_owned()) }
}

fn answer(model: &Model, body: &str) -> Outcome<Json> {
    let service = model.service("x").unwrap();
    parse(service, service.operation("Op").unwrap(), &response(200, &[], body))
}

fn error(model: &Model, status: u16, headers: &[(&'static str, &'static str)], body: &str) -> (String, String) {
    let error = error_of(model.service("x").unwrap(), &response(status, headers, body));
    (error.code, error.message)
}

fn full_input() -> Json {
    json!({
        "Name": "a b&ü", "Count": 3, "On": true, "At": "2023-03-29T13:53:08Z", "Bytes": "aGk=", "Ids": ["i1", "i2"],
        "FlatIds": ["f1", "f2"], "Things": [{"Name": "n"}], "Pairs": {"k": "v"}, "Wire": "w", "Token": "t"
    })
}

const XML_OUTPUT: &str = "<text>a &amp; b</text><count>3</count><share>0.5</share><on>true</on>\
    <at>2023-03-29T13:53:08.000Z</at><bytes>aGk=</bytes><itemSet><item><name>n</name><inner/></item></itemSet>\
    <flat>x</flat><flat>y</flat><pairs><entry><key>k</key><value>v</value></entry></pairs>\
    <flatPairs><key>k1</key><value>v1</value></flatPairs><flatPairs><key>k2</key><value>v2</value></flatPairs>\
    <kind><a>yes</a></kind><unknown>1</unknown>";

fn full_output() -> Json {
    json!({
        "Text": "a & b", "Count": 3, "Share": 0.5, "On": true, "At": "2023-03-29T13:53:08Z", "Bytes": "aGk=",
        "Items": [{"Name": "n", "Inner": {}}], "Flat": ["x", "y"], "Pairs": {"k": "v"},
        "FlatPairs": {"k1": "v1", "k2": "v2"}, "Kind": {"A": "yes"}
    })
}

#[test]
fn query_requests_are_forms() {
    let request = request(&model("query", "/", "", BODY_INPUT), full_input()).unwrap();
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded; charset=utf-8");
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/"));
    let body = String::from_utf8(request.body).unwrap();
    let mut pairs: Vec<&str> = body.split('&').collect();
    pairs.sort_unstable();
    assert_eq!(
        pairs,
        [
            "Action=Op",
            "At=2023-03-29T13%3A53%3A08Z",
            "Bytes=aGk%3D",
            "Count=3",
            "FlatIds.1=f1",
            "FlatIds.2=f2",
            "Name=a%20b%26%C3%BC",
            "On=true",
            "Pairs.entry.1.key=k",
            "Pairs.entry.1.value=v",
            "Things.item.1.name=n",
            "Token=t",
            "Version=2020-01-01",
            "id.member.1=i1",
            "id.member.2=i2",
            "wireName=w",
        ]
    );
    let empty = super::tests::request(&model("query", "/", "", BODY_INPUT), json!({"Name": "n", "Ids": []})).unwrap();
    assert!(String::from_utf8(empty.body).unwrap().contains("&id=&"));
}

#[test]
fn ec2_requests_begin_names_with_capitals() {
    let request = request(&model("ec2", "/", "", BODY_INPUT), full_input()).unwrap();
    let body = String::from_utf8(request.body).unwrap();
    for pair in ["Id.1=i1", "Id.2=i2", "FlatIds.1=f1", "Things.1.Name=n", "QueryName=w", "Name=a%20b%26%C3%BC"] {
        assert!(body.split('&').any(|found| found == pair), "{pair} in {body}");
    }
    assert!(!body.contains("item"));
}

#[test]
fn json_requests_name_the_operation_in_a_header() {
    let request = request(&model("json", "/", "", BODY_INPUT), full_input()).unwrap();
    assert_eq!(request.headers["x-amz-target"], "X_2020.Op");
    assert_eq!(request.headers["content-type"], "application/x-amz-json-1.1");
    let body: Json = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        body,
        json!({
            "Name": "a b&ü", "Count": 3, "On": true, "At": 1680097988, "Bytes": "aGk=", "id": ["i1", "i2"],
            "FlatIds": ["f1", "f2"], "Things": [{"name": "n"}], "Pairs": {"k": "v"}, "wireName": "w", "Token": "t"
        })
    );
}

const REST_INPUT: &str = r#""In":{"type":"structure","required":["Id"],"members":{
    "Id":{"shape":"String","location":"uri","name":"id"},"Key":{"shape":"String","location":"uri","name":"key"},
    "Since":{"shape":"Timestamp","location":"querystring","name":"since"},"Tags":{"shape":"Strings","location":"querystring","name":"tag"},
    "Extra":{"shape":"Pairs","location":"querystring"},"When":{"shape":"Timestamp","location":"header","name":"x-when"},
    "List":{"shape":"Strings","location":"header","name":"x-list"},"Meta":{"shape":"Pairs","location":"headers","name":"x-meta-"},
    "Note":{"shape":"String","name":"note"},"Things":{"shape":"Things","name":"things"}}},"#;

fn rest_input() -> Json {
    json!({
        "Id": "a/b c", "Key": "d/e f", "Since": "2023-03-29T13:53:08Z", "Tags": ["x", "y&z"], "Extra": {"q": "1"},
        "When": 1680097988, "List": ["a", "b,c"], "Meta": {"one": "1"}, "Note": "<&>", "Things": [{"Name": "n"}]
    })
}

#[test]
fn rest_requests_bind_members_everywhere() {
    let request = request(&model("rest-json", "/v1/{id}/x/{key+}?list", "", REST_INPUT), rest_input()).unwrap();
    assert_eq!(request.path, "/v1/a%2Fb%20c/x/d/e%20f");
    let mut pairs: Vec<&str> = request.query.split('&').collect();
    assert_eq!(pairs.remove(0), "list");
    pairs.sort_unstable();
    assert_eq!(pairs, ["q=1", "since=2023-03-29T13%3A53%3A08Z", "tag=x", "tag=y%26z"]);
    assert_eq!(request.headers["x-when"], "Wed, 29 Mar 2023 13:53:08 GMT");
    assert_eq!(request.headers["x-list"], "a,\"b,c\"");
    assert_eq!(
        (&request.headers["x-meta-one"], &request.headers["content-type"]),
        (&"1".parse().unwrap(), &"application/json".parse().unwrap())
    );
    let body: Json = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body, json!({"note": "<&>", "things": [{"name": "n"}]}));
    let bare = super::tests::request(&model("rest-json", "/v1/{id}", "", REST_INPUT), json!({"Id": "i"})).unwrap();
    assert_eq!((bare.path.as_str(), bare.query.as_str(), &bare.body[..]), ("/v1/i", "", &b"{}"[..]));
}

#[test]
fn rest_xml_requests_have_xml_bodies() {
    let request = request(&model("rest-xml", "/v1/{id}/{key+}", "", REST_INPUT), rest_input()).unwrap();
    let wanted = "<OpRequest><note>&lt;&amp;&gt;</note><things><item><name>n</name></item></things></OpRequest>";
    assert_eq!(String::from_utf8(request.body).unwrap(), wanted);
}

#[test]
fn paths_cannot_be_left() {
    let model = model("rest-json", "/v1/{id}/x", "", REST_INPUT);
    for id in ["", ".", ".."] {
        assert!(matches!(request(&model, json!({ "Id": id })), Err(ProtocolError::Input(_))), "{id}");
    }
    assert_eq!(request(&model, json!({"Id": "../x?y#z"})).unwrap().path, "/v1/..%2Fx%3Fy%23z/x");
    let greedy = super::tests::model("rest-json", "/v1/{id}/{key+}", "", REST_INPUT);
    assert!(request(&greedy, json!({"Id": "i", "Key": "a/../b"})).is_err());
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    for protocol in ["query", "ec2", "json"] {
        let model = model(protocol, "/", "", BODY_INPUT);
        for (params, part) in [
            (json!({}), "Name"),
            (json!({"Name": null}), "Name"),
            (json!({"Name": "n", "Other": 1}), "Other"),
            (json!({"Name": "n", "Count": "many"}), "Count"),
            (json!({"Name": "n", "On": "perhaps"}), "On"),
            (json!({"Name": "n", "Ids": "i"}), "d"),
            (json!({"Name": ["n"]}), "Name"),
            (json!({"Name": "n", "At": "soon"}), "At"),
            (json!({"Name": "n", "Things": [{"Other": 1}]}), "Other"),
        ] {
            let error = request(&model, params.clone()).unwrap_err();
            assert!(
                matches!(&error, ProtocolError::Input(text) if text.contains(part)),
                "{protocol} {params}: {error}"
            );
        }
        // Texts of content files stand for numbers and booleans; nulls for absent members; tokens are filled in.
        let body = request(&model, json!({"Name": 5, "Count": "3", "On": "true", "At": null})).unwrap().body;
        let body = String::from_utf8(body).unwrap();
        assert!(!body.contains("At") && body.contains("Token"), "{body}");
    }
}

#[test]
fn xml_answers_have_the_names_of_the_model() {
    let query = model("query", "/", ",\"wrapper\":\"OpResult\"", BODY_INPUT);
    let body = format!(
        "<OpResponse xmlns=\"u\"><OpResult>{XML_OUTPUT}</OpResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></OpResponse>"
    );
    assert_eq!(answer(&query, &body), Ok(full_output()));
    let ec2 = model("ec2", "/", "", BODY_INPUT);
    let body = format!("<?xml version=\"1.0\"?>\n<OpResponse><requestId>r</requestId>{XML_OUTPUT}</OpResponse>");
    assert_eq!(answer(&ec2, &body), Ok(full_output()));
    let rest = model("rest-xml", "/", "", BODY_INPUT);
    assert_eq!(answer(&rest, &format!("<Out>{XML_OUTPUT}</Out>")), Ok(full_output()));
    assert_eq!(answer(&rest, ""), Ok(json!({})));
}

#[test]
fn lists_stay_lists_and_absent_things_absent() {
    let ec2 = model("ec2", "/", "", BODY_INPUT);
    let of = |body: &str| answer(&ec2, &format!("<R>{body}</R>")).unwrap();
    assert_eq!(of("<itemSet/>"), json!({"Items": []}));
    assert_eq!(of("<flat>x</flat>"), json!({"Flat": ["x"]}));
    assert_eq!(of("<text/>"), json!({"Text": ""}));
    assert_eq!(of("<pairs/>"), json!({"Pairs": {}}));
    assert_eq!(of(""), json!({}));
    assert_eq!(of("<kind><c>new</c></kind>"), json!({"Kind": {"SDK_UNKNOWN_MEMBER": {"name": "c"}}}));
}

#[test]
fn json_answers_have_the_names_of_the_model() {
    let body = json!({
        "text": "a & b", "count": 3, "share": 0.5, "on": true, "at": 1680097988.0, "bytes": "aGk=",
        "itemSet": [{"name": "n", "inner": {}}], "flat": ["x", "y"], "pairs": {"k": "v"},
        "flatPairs": {"k1": "v1", "k2": "v2"}, "kind": {"a": "yes", "b": null}, "unknown": 1
    });
    for protocol in ["json", "rest-json"] {
        let model = model(protocol, "/", "", BODY_INPUT);
        assert_eq!(answer(&model, &body.to_string()), Ok(full_output()), "{protocol}");
        let of = |body: &str| answer(&model, body).unwrap();
        assert_eq!(of(""), json!({}));
        assert_eq!(of(r#"{"text": null, "itemSet": [null]}"#), json!({"Items": [null]}));
        assert_eq!(of(r#"{"kind": {"c": 1}}"#), json!({"Kind": {"SDK_UNKNOWN_MEMBER": {"name": "c"}}}));
    }
    let rest = model("rest-json", "/", "", BODY_INPUT);
    assert_eq!(
        answer(&rest, r#"{"count": 3.0, "share": 1, "on": "true"}"#),
        Ok(json!({"Count": 3, "Share": 1.0, "On": true}))
    );
}

#[test]
fn answers_that_do_not_fit_are_unreadable() {
    for (protocol, body) in [
        ("query", "<R/>"),
        ("query", "not xml"),
        ("ec2", "<R><count>x</count></R>"),
        ("ec2", "<R><at>yesterday</at></R>"),
        ("ec2", "<R><pairs><entry><key>k</key></entry></pairs></R>"),
        ("rest-xml", "<R><bytes>!</bytes></R>"),
        ("json", "[]"),
        ("json", "<html>"),
        ("json", r#"{"itemSet": {}}"#),
        ("rest-json", r#"{"pairs": []}"#),
        ("json", r#"{"at": true}"#),
    ] {
        let model =
            model(protocol, "/", if protocol == "query" { ",\"wrapper\":\"OpResult\"" } else { "" }, BODY_INPUT);
        assert!(matches!(answer(&model, body), Err(ProtocolError::Output(_))), "{protocol} {body}");
    }
}

#[test]
fn headers_and_status_are_parts_of_rest_answers() {
    let text = r#"{"source":"t","partitions":{},"services":{"x":{"protocol":"rest-json","api_version":"1","signing_name":"x","hosts":{},
        "operations":{"Op":{"method":"GET","uri":"/","output":{"shape":"Out"}},"Raw":{"method":"GET","uri":"/","output":{"shape":"RawOut"}}},
        "shapes":{"Out":{"type":"structure","payload":"Body","members":{"Code":{"shape":"Integer","location":"statusCode"},
          "When":{"shape":"Timestamp","location":"header","name":"Last-Modified"},"Size":{"shape":"Integer","location":"header","name":"X-Size"},
          "List":{"shape":"Strings","location":"header","name":"X-List"},"Meta":{"shape":"Pairs","location":"headers","name":"X-Meta-"},
          "Policy":{"shape":"String","location":"header","name":"X-Json","json":true},"Body":{"shape":"Inner"}}},
        "RawOut":{"type":"structure","payload":"Body","members":{"Body":{"shape":"Blob"}}},
        "Inner":{"type":"structure","members":{"A":{"shape":"String","name":"a"}}},"Blob":{"type":"blob"},
        "Strings":{"type":"list","member":{"shape":"String"}},"Pairs":{"type":"map","key":{"shape":"String"},"value":{"shape":"String"}},
        "String":{"type":"string"},"Integer":{"type":"integer"},"Timestamp":{"type":"timestamp"}}}}}"#;
    let model = Model::read(text.as_bytes()).unwrap();
    let service = model.service("x").unwrap();
    let headers = [
        ("last-modified", "Wed, 29 Mar 2023 13:53:08 GMT"),
        ("x-size", "7"),
        ("x-list", "a, b"),
        ("x-meta-one", "1"),
        ("x-json", "eyJhIjoxfQ=="),
    ];
    let given = response(202, &headers, r#"{"a": "b"}"#);
    assert_eq!(
        parse(service, service.operation("Op").unwrap(), &given),
        Ok(json!({
            "Code": 202, "When": "2023-03-29T13:53:08Z", "Size": 7, "List": ["a", "b"], "Meta": {"one": "1"},
            "Policy": {"a": 1}, "Body": {"A": "b"}
        }))
    );
    let raw = parse(service, service.operation("Raw").unwrap(), &response(200, &[], "hi"));
    assert_eq!(raw, Ok(json!({"Body": "aGk="})));
}

fn embedded(service: &str, operation: &str, given: &HttpResponse) -> Json {
    let service = Model::embedded().unwrap().service(service).unwrap();
    parse(service, service.operation(operation).unwrap(), given).unwrap()
}

#[test]
fn s3_has_its_oddities() {
    let location = |body: &str| embedded("s3", "GetBucketLocation", &response(200, &[], body));
    let namespace = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
    assert_eq!(
        location(&format!("<LocationConstraint {namespace}>eu-west-1</LocationConstraint>")),
        json!({"LocationConstraint": "eu-west-1"})
    );
    assert_eq!(location(&format!("<LocationConstraint {namespace}/>")), json!({"LocationConstraint": null}));
    let buckets = format!(
        "<ListAllMyBucketsResult {namespace}><Owner><ID>o</ID></Owner><Buckets><Bucket><CreationDate>2023-03-29T13:53:08.000Z\
         </CreationDate><Name>b</Name></Bucket></Buckets></ListAllMyBucketsResult>"
    );
    assert_eq!(
        embedded("s3", "ListBuckets", &response(200, &[], &buckets)),
        json!({"Owner": {"ID": "o"}, "Buckets": [{"Name": "b", "CreationDate": "2023-03-29T13:53:08Z"}]})
    );
    let acl = "<AccessControlPolicy><Owner><ID>o</ID></Owner><AccessControlList><Grant><Grantee \
        xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\"><URI>u</URI></Grantee>\
        <Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>";
    assert_eq!(
        embedded("s3", "GetBucketAcl", &response(200, &[], acl)),
        json!({"Owner": {"ID": "o"}, "Grants": [{"Grantee": {"Type": "Group", "URI": "u"}, "Permission": "READ"}]})
    );
    let policy = embedded("s3", "GetBucketPolicy", &response(200, &[], "{\"Version\": \"2012-10-17\"}"));
    assert_eq!(policy, json!({"Policy": "{\"Version\": \"2012-10-17\"}"}));
    let s3 = Model::embedded().unwrap().service("s3").unwrap();
    let slow = response(200, &[], "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>m</Message></Error>");
    assert!(is_hidden_error(s3, &slow));
    assert_eq!(error_of(s3, &slow).code, "SlowDown");
    assert!(!is_hidden_error(s3, &response(200, &[], &buckets)));
}

#[test]
fn iam_policies_are_decoded() {
    let body = "<ListX><GetAccountAuthorizationDetailsResult><Policies><member><PolicyVersionList><member><Document>\
        %7B%22Version%22%3A%222012-10-17%22%7D</Document></member></PolicyVersionList></member></Policies>\
        </GetAccountAuthorizationDetailsResult></ListX>";
    assert_eq!(
        embedded("iam", "GetAccountAuthorizationDetails", &response(200, &[], body)),
        json!({"Policies": [{"PolicyVersionList": [{"Document": {"Version": "2012-10-17"}}]}]})
    );
}

#[test]
fn requests_of_the_embedded_model() {
    let of = |service: &str, operation: &str, params: Json| {
        let service = Model::embedded().unwrap().service(service).unwrap();
        serialise(service, service.operation(operation).unwrap(), params.as_object().unwrap()).unwrap()
    };
    let bucket = of("s3", "GetBucketPolicy", json!({"Bucket": "b"}));
    assert_eq!((bucket.path.as_str(), bucket.query.as_str(), bucket.bucket.as_deref()), ("/b", "policy", Some("b")));
    let block = of("s3control", "GetPublicAccessBlock", json!({"AccountId": "123456789012"}));
    assert_eq!(
        (block.host_prefix.as_str(), &block.headers["x-amz-account-id"]),
        ("123456789012.", &"123456789012".parse().unwrap())
    );
    let queue = of("sqs", "GetQueueAttributes", json!({"QueueUrl": "u", "AttributeNames": ["All"]}));
    assert_eq!(
        (&queue.headers["x-amzn-query-mode"], &queue.headers["x-amz-target"]),
        (&"true".parse().unwrap(), &"AmazonSQS.GetQueueAttributes".parse().unwrap())
    );
    let apis = of("apigateway", "GetRestApis", json!({}));
    assert_eq!(&apis.headers["accept"], "application/json");
    let service = Model::embedded().unwrap().service("s3control").unwrap();
    let operation = service.operation("GetPublicAccessBlock").unwrap();
    let evil = json!({"AccountId": "evil.example/"});
    assert!(serialise(service, operation, evil.as_object().unwrap()).is_err());
}

#[test]
fn errors_have_code_and_message_in_all_protocols() {
    let pair = |code: &str, message: &str| (code.to_owned(), message.to_owned());
    let [query, ec2, json, rest_json, rest_xml] =
        ["query", "ec2", "json", "rest-json", "rest-xml"].map(|protocol| model(protocol, "/", "", BODY_INPUT));
    let body = "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>m &lt;</Message></Error></ErrorResponse>";
    assert_eq!(error(&query, 404, &[], body), pair("NoSuchEntity", "m <"));
    assert_eq!(error(&rest_xml, 404, &[], body), pair("NoSuchEntity", "m <"));
    let body = "<Response><Errors><Error><Code>AuthFailure</Code><Message>m</Message></Error></Errors><RequestID>r</RequestID></Response>";
    assert_eq!(error(&ec2, 401, &[], body), pair("AuthFailure", "m"));
    let body = "<Error><Code>NoSuchBucket</Code><Message>m</Message><HostId>h</HostId></Error>";
    assert_eq!(error(&rest_xml, 404, &[], body), pair("NoSuchBucket", "m"));
    let body = r#"{"__type": "com.amazon.x#ResourceNotFoundException", "Message": "m"}"#;
    assert_eq!(error(&json, 400, &[], body), pair("ResourceNotFoundException", "m"));
    let old = [("x-amzn-query-error", "AWS.SimpleQueueService.NonExistentQueue;Sender")];
    assert_eq!(error(&json, 400, &old, body), pair("AWS.SimpleQueueService.NonExistentQueue", "m"));
    let header = [("x-amzn-errortype", "AccessDeniedException:http://internal")];
    assert_eq!(error(&rest_json, 403, &header, r#"{"message": "m"}"#), pair("AccessDeniedException", "m"));
    assert_eq!(error(&rest_json, 403, &[], r#"{"code": "Denied", "message": "m"}"#), pair("Denied", "m"));
    for model in [&query, &ec2, &json, &rest_json, &rest_xml] {
        assert_eq!(error(model, 503, &[], "<html>no"), pair("503", "Service Unavailable"));
        assert_eq!(error(model, 404, &[], ""), pair("404", "Not Found"));
    }
}

proptest! {
    /// What is written as XML reads back as it was.
    #[test]
    fn xml_comes_back(text in "[\\x20-\\x7e\u{e0}-\u{2000}]*", items in prop::collection::vec("[a-z<&>\"']{0,5}", 0..5)) {
        let model = model("rest-xml", "/", "", &BODY_INPUT.replace("\"required\":[\"Name\"],", ""));
        let service = model.service("x").unwrap();
        let operation = service.operation("Op").unwrap();
        let value = json!({"Text": text, "Flat": items, "Items": [{"Name": text}], "Pairs": {"a<": text}});
        let written = xml_shape::document(service, operation.output.as_ref().unwrap(), &value, "R").unwrap();
        let mut wanted = value;
        if items.is_empty() {
            wanted.as_object_mut().unwrap().remove("Flat");
        }
        prop_assert_eq!(answer(&model, std::str::from_utf8(&written).unwrap()), Ok(wanted));
    }

    /// Any body is read or refused, in every protocol.
    #[test]
    fn any_body_is_read_or_refused(
        body in "(<(text|count|itemSet|item|flat|pairs|entry|key|R)/?>|</(text|itemSet|item|pairs|R)>|[a-z0-9{}\\[\\]\":,]){0,30}"
    ) {
        for protocol in ["query", "ec2", "json", "rest-json", "rest-xml"] {
            let model = model(protocol, "/", "", BODY_INPUT);
            let _ = answer(&model, &body);
            let _ = error(&model, 400, &[], &body);
        }
    }
}
