//! What the emulator does not keep: expressions, bands, percentiles; names that are taken, lost answers, names of one's
//! own.

use serde_json::{Value, json};

use super::*;
use crate::model::cloud::ErrorClass;
use crate::providers::aws::script::Script;

const ARN: &str = "arn:aws:cloudwatch:r:1:alarm:p-e-s-it";

fn tags(project: &str) -> Value {
    let all = [("project", project), ("environment", "e"), ("address", "s/it"), ("generation", "1")];
    let all: Vec<Value> = all.iter().map(|(k, v)| json!({"Key": format!("saiken:{k}"), "Value": v})).collect();
    json!({"Tags": all})
}

fn alarm(name: &str, more: &Value) -> Value {
    let mut alarm = json!({
        "AlarmName": name, "AlarmArn": format!("arn:aws:cloudwatch:r:1:alarm:{name}"), "EvaluationPeriods": 3,
        "ComparisonOperator": "GreaterThanThreshold", "ActionsEnabled": true,
    });
    alarm.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    alarm
}

fn page(alarms: &[Value]) -> Value {
    json!({"MetricAlarms": alarms})
}

fn cpu() -> Value {
    json!({"namespace": "AWS/EC2", "name": "CPUUtilization", "statistic": "Average", "period": "1m"})
}

/// A script in which the alarm is not there, and then is as given.
fn made(more: &Value) -> Script {
    Script::default()
        .cbor("DescribeAlarms", 200, &json!({}))
        .cbor("DescribeAlarms", 200, &page(&[alarm("p-e-s-it", more)]))
        .cbor("ListTagsForResource", 200, &tags("p"))
        .cbor("PutMetricAlarm", 200, &json!({}))
}

#[test]
fn what_the_api_would_refuse_is_refused_before() {
    let problems = |change: Value| {
        let mut spec = json!({"metric": cpu(), "comparison": "above", "threshold": 1, "evaluation_periods": 1});
        spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        crate::model::kind::drop_nulls(&mut spec);
        let mut problems = Problems::default();
        Alarm::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
    };
    let metric = |field: &str, value: Value| {
        let mut metric = cpu();
        metric[field] = value;
        problems(json!({"metric": metric}))
    };
    assert!(problems(json!({})).is_empty());
    assert_eq!(problems(json!({"metric": null})), ["metric"]);
    assert_eq!(problems(json!({"threshold": null})), ["threshold"]);
    assert_eq!(problems(json!({"comparison": "outside_band"})), ["comparison"]);
    assert_eq!(problems(json!({"datapoints_to_alarm": 2})), ["datapoints_to_alarm"]);
    assert_eq!(problems(json!({"low_samples": "ignore"})), ["low_samples"]);
    assert_eq!(problems(json!({"evaluation_periods": 1441})), ["evaluation_periods"]);
    assert_eq!(problems(json!({"on_ok": {"others": ["arn:aws:sns:r:1:t"]}})), ["on_ok.others.0"]);
    assert_eq!(problems(json!({"on_ok": {"others": ["a", "b", "c", "d", "e", "f"]}})), ["on_ok"]);
    for period in ["0s", "5s", "40s", "90s"] {
        assert_eq!(metric("period", json!(period)), ["metric.period"], "{period}");
    }
    for statistic in ["average", "99", "IQMx"] {
        assert_eq!(metric("statistic", json!(statistic)), ["metric.statistic"], "{statistic}");
    }
    for statistic in ["p99.9", "tm99", "TM(10%:90%)", "PR(0:100)", "IQM", "SampleCount", "wm95", "tc90", "TS(80%:)"] {
        assert!(metric("statistic", json!(statistic)).is_empty(), "{statistic}");
    }
    assert_eq!(metric("unit", json!("percent")), ["metric.unit"]);
    let queries = |metrics: Value, threshold: Value| {
        problems(json!({"metric": null, "metrics": metrics, "threshold": threshold}))
    };
    assert!(queries(json!({"e": {"expression": "m", "returns": true}, "m": {"metric": cpu()}}), json!(1)).is_empty());
    assert_eq!(queries(json!({"e": {"returns": true}}), json!(1)), ["metrics.e"]);
    assert_eq!(queries(json!({"E": {"expression": "1"}}), json!(1)), ["metrics.E", "metrics"]);
    let band = json!({"m": {"metric": cpu(), "returns": true}, "b": {"expression": "ANOMALY_DETECTION_BAND(m, 2)",
        "returns": true}});
    let with = |id: &str| {
        problems(json!({"metric": null, "metrics": band, "threshold": null, "threshold_metric": id,
                "comparison": "above_band"}))
    };
    assert!(with("b").is_empty());
    assert_eq!(with("m"), ["threshold_metric"]);
}

#[tokio::test]
async fn an_expression_over_metrics_is_written_and_comes_back() {
    let there = json!({"Threshold": 5.0, "Metrics": [
        {"Id": "rate", "Expression": "100 * bad / all", "Label": "率", "ReturnData": true},
        {"Id": "bad", "ReturnData": false, "AccountId": "210987654321", "MetricStat": {"Period": 60, "Stat": "Sum",
            "Unit": "Count",
            "Metric": {"Namespace": "Web", "MetricName": "Errors", "Dimensions": [{"Name": "Host", "Value": "a"}]}}},
        {"Id": "all", "ReturnData": false, "Period": 300, "Expression": "SELECT SUM(Requests) FROM Web"},
    ]});
    let script = made(&there);
    let metrics = json!({
        "rate": {"expression": "100 * bad / all", "label": "率", "returns": true},
        "bad": {"returns": false, "account": "210987654321", "metric": {"namespace": "Web", "name": "Errors",
            "dimensions": {"Host": "a"},
            "statistic": "Sum", "period": "1m", "unit": "Count"}},
        "all": {"returns": false, "period": "5m", "expression": "SELECT SUM(Requests) FROM Web"},
    });
    let spec = json!({"metrics": metrics, "comparison": "above", "threshold": 5, "evaluation_periods": 3});
    let object = script.create::<Alarm>(spec).await.unwrap();
    assert_eq!((&object.spec["metrics"], object.spec.get("metric")), (&metrics, None));
    let asked = script.asked("PutMetricAlarm").join("");
    for part in ["100 * bad / all", "210987654321", "SELECT SUM", "Errors", "Host", "saiken:address"] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    assert!(!asked.contains("ThresholdMetricId"), "{asked}");
}

#[tokio::test]
async fn a_band_of_what_is_expected_is_the_threshold() {
    let there = json!({"ThresholdMetricId": "b", "ComparisonOperator": "LessThanLowerOrGreaterThanUpperThreshold",
        "Metrics": [
        {"Id": "m", "ReturnData": true, "MetricStat": {"Period": 60, "Stat": "Average",
            "Metric": {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization"}}},
        {"Id": "b", "ReturnData": true, "Expression": "ANOMALY_DETECTION_BAND(m, 2)"},
    ]});
    let script = made(&there);
    let spec = json!({
        "metrics": {"m": {"metric": cpu(), "returns": true}, "b": {"expression": "ANOMALY_DETECTION_BAND(m, 2)",
            "returns": true}},
        "comparison": "outside_band", "threshold_metric": "b", "evaluation_periods": 3,
    });
    let object = script.create::<Alarm>(spec).await.unwrap();
    assert_eq!((&object.spec["threshold_metric"], &object.spec["comparison"]), (&json!("b"), &json!("outside_band")));
    assert_eq!(object.spec.get("threshold"), None);
    let asked = script.asked("PutMetricAlarm").join("");
    assert!(
        asked.contains("ThresholdMetricId") && asked.contains("LessThanLowerOrGreaterThanUpperThreshold"),
        "{asked}"
    );
}

#[tokio::test]
async fn a_percentile_is_an_extended_statistic_and_may_ignore_few_values() {
    let there = json!({"Namespace": "Web", "MetricName": "Latency", "ExtendedStatistic": "p99", "Period": 60,
        "Threshold": 1.5,
        "EvaluateLowSampleCountPercentile": "ignore"});
    let script = made(&there);
    let metric = json!({"namespace": "Web", "name": "Latency", "statistic": "p99", "period": "1m"});
    let spec = json!({"metric": metric, "comparison": "above", "threshold": 1.5, "evaluation_periods": 3,
        "low_samples": "ignore"});
    let object = script.create::<Alarm>(spec.clone()).await.unwrap();
    assert_eq!((&object.spec["low_samples"], &object.spec["metric"]["statistic"]), (&json!("ignore"), &json!("p99")));
    let asked = script.asked("PutMetricAlarm").join("");
    assert!(asked.contains("ExtendedStatistic") && asked.contains("EvaluateLowSampleCountPercentile"), "{asked}");
    // With an average, the API would refuse what is there.
    let mut average = spec.clone();
    average["metric"]["statistic"] = json!("Average");
    average.as_object_mut().unwrap().remove("low_samples");
    script.update::<Alarm>("p-e-s-it", spec, average).await.unwrap();
    let asked = script.asked("PutMetricAlarm").pop().unwrap();
    assert!(asked.contains("Average") && !asked.contains("EvaluateLowSampleCountPercentile"), "{asked}");
}

#[tokio::test]
async fn an_update_writes_again_what_is_not_declared_as_it_is_there() {
    let there = json!({"Namespace": "Web", "MetricName": "Errors", "Statistic": "Sum", "Period": 60, "Threshold": 1.0,
        "AlarmDescription": "by hand", "AlarmActions": ["arn:aws:sns:r:1:t", "arn:aws:lambda:r:1:function:f"],
        "OKActions": ["arn:aws:sns:r:1:ok"], "DatapointsToAlarm": 3, "TreatMissingData": "breaching"});
    let script = Script::default()
        .cbor("DescribeAlarms", 200, &page(&[alarm("p-e-s-it", &there)]))
        .cbor("ListTagsForResource", 200, &tags("p"))
        .cbor("PutMetricAlarm", 200, &json!({}));
    let with = |topic: &str, periods: u32| {
        json!({"metric": cpu(), "comparison": "above", "threshold": 1, "evaluation_periods": periods,
            "on_alarm": {"topics": [{"id": topic}]}})
    };
    let before = with("arn:aws:sns:r:1:t", 3);
    script.update::<Alarm>("p-e-s-it", before, with("arn:aws:sns:r:1:other", 2)).await.unwrap();
    let asked = script.asked("PutMetricAlarm").join("");
    for kept in ["by hand", "arn:aws:lambda:r:1:function:f", "arn:aws:sns:r:1:ok", "breaching", "arn:aws:sns:r:1:other"]
    {
        assert!(asked.contains(kept), "{kept}: {asked}");
    }
    assert!(!asked.contains("arn:aws:sns:r:1:t") && !asked.contains("saiken:"), "{asked}");
    let points = asked.split("DatapointsToAlarm").nth(1).unwrap();
    assert!(points.starts_with('\u{2}'), "no more points than periods: {points:?}");
}

#[tokio::test]
async fn an_alarm_of_somebody_else_is_not_overwritten_whatever_its_sort() {
    let composite = json!({"CompositeAlarms": [{"AlarmName": "p-e-s-it", "AlarmArn": ARN, "AlarmRule": "TRUE"}]});
    for there in [page(&[alarm("p-e-s-it", &json!({}))]), composite] {
        let script = Script::default()
            .cbor("DescribeAlarms", 200, &there)
            .cbor("ListTagsForResource", 200, &tags("another"))
            .cbor("PutMetricAlarm", 200, &json!({}));
        let spec = json!({"metric": cpu(), "comparison": "above", "threshold": 1, "evaluation_periods": 1});
        assert_eq!(script.create::<Alarm>(spec).await.unwrap_err().class, ErrorClass::Conflict);
        assert!(script.asked("PutMetricAlarm").is_empty());
    }
}

#[tokio::test]
async fn an_alarm_whose_call_was_not_answered_is_written_again_the_same() {
    let there = json!({"Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Statistic": "Average", "Period": 60,
        "Threshold": 1.0});
    let script = Script::default()
        .cbor("DescribeAlarms", 200, &json!({}))
        .cbor("DescribeAlarms", 200, &page(&[alarm("p-e-s-it", &there)]))
        .cbor("ListTagsForResource", 200, &tags("p"))
        .lost("PutMetricAlarm")
        .cbor("PutMetricAlarm", 200, &json!({}));
    let spec = json!({"metric": cpu(), "comparison": "above", "threshold": 1, "evaluation_periods": 1});
    script.create::<Alarm>(spec).await.unwrap();
    let asked = script.asked("PutMetricAlarm");
    assert!(asked.len() == 2 && asked[0] == asked[1]);
}

#[tokio::test]
async fn an_alarm_with_a_name_of_its_own_is_found_by_the_index_and_a_new_one_by_its_name() {
    let pairs = json!([{"Key": "saiken:project", "Value": "p"}, {"Key": "saiken:environment", "Value": "e"},
        {"Key": "saiken:address", "Value": "s/own"}, {"Key": "saiken:generation", "Value": "1"}]);
    let index = json!({"ResourceTagMappingList": [
        {"ResourceARN": "arn:aws:cloudwatch:r:1:alarm:CPU: 高い", "Tags": pairs},
        {"ResourceARN": "arn:aws:cloudwatch:r:1:alarm:gone", "Tags": pairs},
    ]});
    let script = Script::default()
        .answer("GetResources", 200, &index.to_string())
        .cbor("DescribeAlarms", 200, &page(&[alarm("p-e-s-it", &json!({}))]))
        .cbor("DescribeAlarms", 200, &page(&[alarm("CPU: 高い", &json!({}))]))
        .cbor("ListTagsForResource", 200, &tags("p"));
    let found = script.read::<Alarm>().await.unwrap();
    assert_eq!(found.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), ["p-e-s-it", "CPU: 高い"]);
    let asked = script.asked("DescribeAlarms");
    assert!(asked[0].contains("p-e-") && asked[1].contains("CPU: 高い"), "{asked:?}");
    assert_eq!(script.asked("ListTagsForResource").len(), 1, "only the new one is asked for its tags");
}
