// Made from the Rust types; not to be edited. To renew it: RENEW=1 cargo test -p ipcscope published

/** The version of a trace's structure. */
export const SCHEMA = 2

/**
 * The kind of each field: a type, a shape, a list `[]` or `[2]` of either; a `count` is a whole number from 0.
 * Without a value a field with `?` is null, and one with `~` is absent.
 * @type {Record<string, Record<string, string>>}
 */
export const shapes = {
  "Act": {"is":"string"},
  "Act syscall": {"name":"string"},
  "Budget": {"kernel_copies":"Range","receiver_syscalls":"Range","sender_syscalls":"Range","wait":"string","wakes":"Range"},
  "CallCosts": {"recv_ns":"count","send_ns":"count"},
  "Effect": {"is":"string"},
  "Effect add": {"by":"string","gauge":"string"},
  "Effect set": {"gauge":"string","to":"boolean"},
  "Effect show": {"gauge":"string"},
  "Effect sleeps": {"at":"string"},
  "Effect take": {"by":"string","gauge":"string"},
  "Effect wakes": {"process":"string"},
  "Event": {"cpu":"~count","direction":"~string","message":"~count","pid":"~count","side":"~string","step":"~string","t_ns":"count","text":"~string","thread":"~count","what":"string"},
  "Event batch-begin": {"count":"count","mode":"string"},
  "Event copy": {"access":"~string","bytes":"~count","copy":"~count","detail":"~string","function":"string","place":"~string","space":"~string"},
  "Event died": {"exit_code":"~integer","signal":"~string"},
  "Event experiment-begin": {"id":"string"},
  "Event experiment-end": {"arrived":"~count","held":"boolean?","id":"string","messages":"~count","verdict":"string"},
  "Event failed": {"call":"string","error":"string"},
  "Event fault": {"detail":"~string","function":"~string"},
  "Event gauges": {"took_ns":"~count","values":"object"},
  "Event note": {"text":"string","tone":"string"},
  "Event packet": {"detail":"~string","function":"~string"},
  "Event processes": {"processes":"[2]Process"},
  "Event recv-end": {"ahead_bytes":"~count","payload":"~string"},
  "Event send-begin": {"bytes":"~count","payload":"~string"},
  "Event stage": {"parts":"[]Part","steps":"[]Step"},
  "Event state": {"call":"~string","core":"~count","state":"string","wchan":"~string"},
  "Event switch-in": {"detail":"~string","function":"~string"},
  "Event switch-out": {"detail":"~string","function":"~string"},
  "Event syscall": {"args":"~string","duration_ns":"~count","name":"string","result":"~integer"},
  "Event table": {"basis":"string","columns":"[]string","instrument":"string","rows":"[][]string","title":"string"},
  "Event unavailable": {"figure":"string","remedy":"string","why":"string"},
  "Event wake": {"detail":"~string","function":"~string"},
  "Experiment": {"id":"string","text":"string","title":"string"},
  "Form": {"is":"string"},
  "Form buffer": {"slots":"count"},
  "Form process": {"actor":"string"},
  "Form region": {"writer":"string?"},
  "Gauge": {"field":"string","label":"string","unit":"string"},
  "Header": {"calls":"~CallCosts","channel":"~string","clock":"string","format":"string","frame_bytes":"~count","machine":"string","placement":"string","processes":"[2]Process","scene":"Scene","schema":"count","size_bytes":"count","started_unix_ms":"count","wait":"string"},
  "Level": {"held":"string","size":"string"},
  "Part": {"form":"Form","gauges":"[]Gauge","id":"string","label":"string","level":"~Level","space":"string"},
  "Process": {"actor":"string","core":"count?","name":"~string","parent":"count","pid":"count"},
  "Quoted": {"copies":"string","latency":"string","syscalls":"string","use_when":"string"},
  "Range": {"least":"number","most":"number?"},
  "Scene": {"budgets":"[]Budget","cross_host":"boolean","duplex":"boolean","experiments":"[]Experiment","explanation":"string","kind":"string","quoted":"Quoted","stage":"[]Part","steps":"[]Step","summary":"string","tags":"[]string","title":"string"},
  "Step": {"act":"Act","actor":"string","at":"string","effects":"~[]Effect","id":"string","text":"string","to":"string?","when":"string"},
}
