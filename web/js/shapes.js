// Made from the Rust types; not to be edited. To renew it: RENEW=1 cargo test -p ipcscope-lab published

/** The version of a trace's structure. */
export const SCHEMA = 2

/**
 * The kind of each field: a type, a shape, a list `[]` or `[2]` of either; `?` may be null, `~` may be absent.
 * @type {Record<string, Record<string, string>>}
 */
export const shapes = {
  "Budget": {"kernel_copies":"Range","receiver_syscalls":"Range","sender_syscalls":"Range","wait":"string","wakes":"Range"},
  "Event": {"cpu":"~number","direction":"~string","message":"~number","side":"~string","step":"~string","t_ns":"number","text":"~string","what":"string"},
  "Experiment": {"id":"string","text":"string","title":"string"},
  "Gauge": {"field":"string","label":"string","unit":"string"},
  "Header": {"clock":"string","format":"string","machine":"string","placement":"string","processes":"[2]Process","scene":"Scene","schema":"number","size_bytes":"number","started_unix_ms":"number","wait":"string"},
  "Part": {"form":"object","gauges":"[]Gauge","id":"string","label":"string","space":"string"},
  "Process": {"actor":"string","core":"number?","parent":"number","pid":"number"},
  "Quoted": {"copies":"string","latency":"string","syscalls":"string","use_when":"string"},
  "Range": {"least":"number","most":"number?"},
  "Scene": {"budgets":"[]Budget","cross_host":"boolean","duplex":"boolean","experiments":"[]Experiment","explanation":"string","kind":"string","quoted":"Quoted","stage":"[]Part","steps":"[]Step","summary":"string","tags":"[]string","title":"string"},
  "Step": {"act":"object","actor":"string","at":"string","id":"string","text":"string","to":"string?","when":"string"},
  "event batch-begin": {"count":"number","mode":"string"},
  "event batch-end": {},
  "event copy": {"bytes":"~number","function":"string"},
  "event died": {"exit_code":"~number","signal":"~string"},
  "event experiment-begin": {"id":"string"},
  "event experiment-end": {"held":"boolean?","id":"string","verdict":"string"},
  "event failed": {"call":"string","error":"string"},
  "event fault": {"detail":"~string","function":"~string"},
  "event gauges": {"values":"object"},
  "event note": {"text":"string","tone":"string"},
  "event packet": {"detail":"~string","function":"~string"},
  "event processes": {"processes":"[2]Process"},
  "event recv-begin": {},
  "event recv-end": {"payload":"~string"},
  "event send-begin": {"payload":"~string"},
  "event send-end": {},
  "event state": {"call":"~string","core":"~number","state":"string","wchan":"~string"},
  "event switch-in": {"detail":"~string","function":"~string"},
  "event switch-out": {"detail":"~string","function":"~string"},
  "event syscall": {"args":"~string","duration_ns":"~number","name":"string","result":"~number"},
  "event table": {"basis":"string","columns":"[]string","instrument":"string","rows":"[][]string","title":"string"},
  "event unavailable": {"figure":"string","remedy":"string","why":"string"},
  "event wake": {"detail":"~string","function":"~string"},
}
