// Breaks the core in plausible ways, one at a time, and shows which law notices.
//
//     dotnet fsi spec/mutate.fsx                 every module; writes docs/mutations.md (ten minutes)
//     dotnet fsi spec/mutate.fsx Backoff Life    these alone; renews their part of the page
//     dotnet fsi spec/mutate.fsx smoke           a handful, for `make test`; needs `dotnet build -c Release spec`
//
// What is broken, besides what is broken by hand below:
//
//     a condition     a comparison becomes its neighbour (an off-by-one), an equality its opposite, `&&` `||`, else a `not`
//     a case          a case of a match is dropped where a wildcard follows, else it answers what its neighbour does
//     a number        is one more
//     a word          min is max, exists is forall, true is false, + is -, what was filtered, sorted or reversed is not …
//
// All mutants are compiled into one copy of the core, each behind a switch, so that hundreds of them cost a few builds; the
// laws are the ones of spec/bin. They run against one mutant at a time: first the chapters about its module, then, where
// none of these notices, the whole specification in a process of its own. A law that fails, or does not end, has caught it.

open System
open System.Collections.Concurrent
open System.Diagnostics
open System.IO
open System.Text
open System.Text.RegularExpressions
open System.Threading
open System.Threading.Tasks

let root = Path.GetFullPath(Path.Combine(__SOURCE_DIRECTORY__, ".."))
let core = Path.Combine("src", "Bitflow.Domain.fs")
let mostPerModule = 8
let patience = TimeSpan.FromSeconds 120.
let processes = max 1 Environment.ProcessorCount

/// One seed, so that two runs say the same.
let environment = [ "CASES", "100"; "REPLAY", "7046029254386353131,3202034522624059733"; "LAWS_FILE", ""; "DOTNET_GCHeapHardLimit", "0x80000000"; "DOTNET_TieredPGO", "0" ]

/// The modules that decide, and the chapters that are to notice; what they miss the others may.
let modules =
    [ "WholeNumber", [ "WholeNumberLaws" ]
      "Duration", [ "DurationLaws" ]
      "Instant", [ "DurationLaws"; "LifeLaws" ]
      "IpAddress", [ "IpNetworkLaws"; "AddressLaws" ]
      "IpNetwork", [ "IpNetworkLaws" ]
      "FilePath", [ "FilePathLaws" ]
      "Address", [ "AddressLaws" ]
      "TargetAddress", [ "TargetAddressLaws"; "AddressLaws" ]
      "ListenerAddress", [ "ListenerAddressLaws" ]
      "Endpoint", [ "EndpointLaws"; "MessageLaws"; "ConnectionRecordLaws" ]
      "IoFault", [ "IoFaultLaws"; "MessageLaws" ]
      "PlatformFaults", [ "IoFaultLaws" ]
      "ResolveFault", [ "ResolveFaultLaws"; "MessageLaws" ]
      "EngineChoice", [ "EngineChoiceLaws" ]
      "InheritedFault", [ "ListenFaultLaws"; "MessageLaws" ]
      "ListenFault", [ "ListenFaultLaws"; "MessageLaws" ]
      "AcceptFailure", [ "AcceptFailureLaws" ]
      "LoopChoice", [ "LoopChoiceLaws" ]
      "CloseReason", [ "CloseReasonLaws"; "MessageLaws" ]
      "Side", [ "RelayLaws"; "LifeLaws" ]
      "ServerName", [ "ServerNameLaws" ]
      "NameTable", [ "ServerNameLaws" ]
      "SocksWord", [ "Socks5Laws"; "ConfigFileLaws" ]
      "Printable", [ "MessageLaws" ]
      "TlsAlert", [ "ClientHelloLaws"; "MessageLaws" ]
      "Alpn", [ "AlpnLaws"; "ClientHelloLaws"; "TlsRulesLaws" ]
      "ClientHello", [ "ClientHelloLaws"; "MessageLaws" ]
      "PeerFate", [ "PeerFateLaws" ]
      "KeyKind", [ "KeyKindLaws"; "CertificateTableLaws" ]
      "CertificateTable", [ "CertificateTableLaws"; "TlsRulesLaws" ]
      "Config", [ "ConfigSchemaLaws"; "ConfigFileLaws" ]
      "KeyExchange", [ "TlsRulesLaws" ]
      "TlsOffer", [ "TlsRulesLaws"; "ReplayLaws" ]
      "ListenerTlsRules", [ "TlsRulesLaws" ]
      "PeerCertificate", [ "TlsRulesLaws" ]
      "OfferedSession", [ "TlsRulesLaws" ]
      "CertificateRequests", [ "TlsRulesLaws" ]
      "RecordPace", [ "RecordPaceLaws" ]
      "TargetName", [ "TlsRulesLaws" ]
      "Issuance", [ "IssuanceLaws" ]
      "CertificateChecks", [ "TlsRulesLaws" ]
      "Crc32c", [ "ProxyHeaderLaws" ]
      "ProxyHeader", [ "MessageLaws"; "ProxyHeaderLaws"; "LifeLaws" ]
      "ProxyHeaderText", [ "ProxyHeaderLaws" ]
      "ProxyHeaderTlvs", [ "ProxyHeaderLaws" ]
      "ProxyHeaderBinary", [ "ProxyHeaderLaws" ]
      "ProxyHeaderCodec", [ "ProxyHeaderLaws" ]
      "CipherName", [ "OutboundHeaderLaws" ]
      "OutboundHeader", [ "OutboundHeaderLaws" ]
      "SocksFault", [ "Socks5Laws"; "MessageLaws" ]
      "Socks5", [ "Socks5Laws" ]
      "SystemdSockets", [ "SystemdLaws"; "MessageLaws" ]
      "UnaskedSockets", [ "SystemdLaws" ]
      "SystemdNotify", [ "SystemdLaws"; "MessageLaws" ]
      "Backoff", [ "BackoffLaws" ]
      "Balancer", [ "BalancerLaws" ]
      "DialWait", [ "DialFaultLaws"; "MessageLaws" ]
      "AddressFault", [ "DialFaultLaws"; "DialRouteLaws"; "MessageLaws" ]
      "DialFault", [ "DialFaultLaws" ]
      "DialPlan", [ "DialLaws"; "LifeLaws" ]
      "DialWay", [ "DialWayLaws" ]
      "AddressChoice", [ "DialRouteLaws" ]
      "DialRoute", [ "DialRouteLaws" ]
      "Admission", [ "AdmissionLaws" ]
      "DescriptorBudget", [ "DescriptorBudgetLaws" ]
      "DescriptorScarcity", [ "DescriptorScarcityLaws" ]
      "Ending", [ "LifeLaws" ]
      "RelayLife", [ "RelayLaws" ]
      "RelayClock", [ "RelayClockLaws" ]
      "LateAlarm", [ "LateAlarmLaws" ]
      "Farewell", [ "FarewellLaws" ]
      "Rules", [ "LifeLaws"; "AdmissionLaws" ]
      "LifeEvent", [ "LifeLaws" ]
      "Life", [ "LifeLaws"; "SimulatorLaws" ]
      "LifeAccount", [ "LifeLaws"; "MessageLaws" ]
      "Shell", [ "LifeLaws" ]
      "Accelerator", [ "AcceleratorLaws" ]
      "Spares", [ "SparesLaws" ]
      "StreamPace", [ "StreamPaceLaws" ]
      "MemoryReturn", [ "MemoryReturnLaws" ]
      "ReloadPlan", [ "ReloadPlanLaws" ]
      "ReloadReport", [ "ReloadPlanLaws" ]
      "SignalQueue", [ "SignalQueueLaws" ]
      "Usage", [ "UsageLaws"; "CommandLineLaws" ]
      "CommandLine", [ "CommandLineLaws"; "UsageLaws" ]
      "ReminderWait", [ "ReminderWaitLaws" ]
      "RepeatLimit", [ "RepeatLimitLaws" ]
      "LoggedFailure", [ "LoggedFailureLaws"; "RepeatLimitLaws" ]
      "Tally", [ "TallyLaws" ]
      "Metrics", [ "MetricsLaws"; "OperationsDocumentLaws" ]
      "Statsd", [ "StatsdLaws" ]
      "Prometheus", [ "PrometheusLaws"; "MetricsLaws" ]
      "Json", [ "MessageLaws"; "ExplainLaws"; "ConfigSchemaLaws" ]
      "JsonLines", [ "JsonLinesLaws"; "ConnectionRecordLaws" ]
      "JsonKind", [ "ConnectionRecordLaws" ]
      "ConnectionRecord", [ "ConnectionRecordLaws" ]
      "ConnectionLogLine", [ "ConnectionRecordLaws" ]
      "LogFileFault", [ "LogFileFaultLaws" ]
      "PathDoubt", [ "PathDoubtLaws" ]
      "LogLosses", [ "LogLossesLaws" ]
      "SentryDsn", [ "SentryLaws"; "MessageLaws" ]
      "SentryEvent", [ "SentryLaws"; "RepeatLimitLaws" ]
      "SentryDiscards", [ "SentryLaws"; "SentryDeliveryLaws" ]
      "SentryEnvelope", [ "SentryLaws" ]
      "SentryRateLimits", [ "SentryLaws" ]
      "SentryDelivery", [ "SentryDeliveryLaws" ]
      "TargetFailure", [ "TargetFailureLaws" ]
      "StateView", [ "StateViewLaws" ]
      "YamlTree", [ "YamlLaws"; "ConfigFileLaws" ]
      "FileLimit", [ "YamlLaws" ]
      "YamlFault", [ "YamlLaws"; "MessageLaws"; "ConfigFileLaws" ]
      "Yaml", [ "YamlLaws"; "ConfigFileLaws" ]
      "Shown", [ "MessageLaws"; "ConfigFileLaws" ]
      "Spelling", [ "UsageLaws"; "ConfigFileLaws"; "MessageLaws" ]
      "SocksProxySyntax", [ "MessageLaws"; "ConfigFileLaws" ]
      "CaseFault", [ "ScenarioLaws" ]
      "SharedSecrets", [ "ConfigFileLaws" ]
      "ConfigFault", [ "MessageLaws"; "ConfigFileLaws"; "ConfigRulesLaws"; "ConfigSchemaLaws" ]
      "ConfigKind", [ "ConfigFileLaws"; "ConfigSchemaLaws"; "ScenarioLaws" ]
      "FindingLines", [ "ConfigFileLaws"; "YamlLaws"; "ScenarioLaws" ]
      "ConfigValue", [ "ConfigFileLaws"; "ConfigSchemaLaws" ]
      "ConfigFields", [ "ConfigFileLaws"; "ConfigSchemaLaws"; "ScenarioLaws" ]
      "KeyTable", [ "ConfigSchemaLaws"; "ConfigFileLaws" ]
      "ConfigKeys", [ "ConfigSchemaLaws"; "ConfigFileLaws" ]
      "ConfigRules", [ "ConfigRulesLaws"; "ConfigFileLaws" ]
      "ConfigFile", [ "ConfigFileLaws" ]
      "ConfigSchema", [ "ConfigSchemaLaws" ]
      "Summary", [ "SummaryLaws" ]
      "Paint", [ "PaintLaws" ]
      "DescribedClient", [ "ExplainLaws"; "ScenarioLaws" ]
      "Forecast", [ "ForecastLaws"; "ExplainLaws"; "ScenarioLaws" ]
      "Question", [ "ExplainLaws" ]
      "Explain", [ "ExplainLaws" ]
      "ScenarioFile", [ "ScenarioLaws" ]
      "Scenario", [ "ScenarioLaws" ]
      "Replay", [ "ReplayLaws" ]
      "Inspect", [ "InspectLaws" ] ]

/// The others, and why there is nothing to break.
let withoutDecision: (string * string) list =
    [ "Parse", "a type without a function, the three answers of a parser"
      "Arrival", "a type without a function"
      "DialHistory", "a type without a function"
      "LifeStep", "a type without a function"
      "Errno", "the names of numbers that the kernel fixes"
      "LogLevel", "four words"
      "JsonText", "settings of the JSON writer, and one pattern of a time" ]

/// Mutants that mean the same, so that no law can tell: the module, a piece of the line, a piece of what it would become, why.
let equivalent: (string * string * string * string) list =
    [ "Duration", "if total < 0L then text.Append", "", "zero was written before"
      "Duration", "if total < 0L then uint64", "", "zero was written before"
      "Duration", "override this.GetHashCode", "", "a hash may be any number"
      "Instant", "override this.GetHashCode", "", "a hash may be any number"
      "CertificateChecks", "wait > 0L && wait < ticks", "wait <= ticks", "as long as that is as long"
      "Life", "| RelayEvent.Truncated -> clientLeft life Cause.Truncated", "", "who has said nothing is a probe either way"
      "Life", "Stage = 0", "1", "a stage is only compared with another"
      "Endpoint", "hash", "", "a hash may be any number"
      "Endpoint", "| Unknown -> 0", "", "a hash may be any number"
      "ProxyHeader", "hash (", "", "a hash may be any number"
      "ProxyHeader", "| TextUnknown -> 1", "", "a hash may be any number"
      "ProxyHeader", "| BinaryUnspecified -> 2", "", "a hash may be any number"
      "ProxyHeader", "| BinaryLocal -> 3", "", "a hash may be any number"
      "Farewell", "min (2L * drain.Pause.TotalNanoseconds)", "", "how fast the pauses grow up to their bound is free"
      "Paint", "| Tone.Quiet -> 2", "3", "which look is quiet is taste; that no two look alike is a law"
      "ServerName", "let mutable bad = -1", "", "every number below zero says that no byte is bad"
      "ClientHello", "65_536 / 64", "65537 / 64", "the quotient is the same"
      "KeyExchange", "hello.KeyShares |> List.tryFind isLarge", "", "which of several large groups is named decides nothing"
      "KeyExchange", "hello.Groups |> List.tryFind isLarge", "", "which of several large groups is named decides nothing"
      "NameTable", "let mutable any = -1", "", "every number below zero says that there is none"
      "SentryRateLimits", "date > wall", "date >= wall", "a wait until now is none either way"
      "AcceptFailure", "Duration.OfMilliseconds 50L", "", "a rest of about that length will do"
      "YamlTree", "| true, found -> found", "", "what is not remembered is looked for again"
      "ConfigFields", "entries |> Array.tryFind (fun entry -> entry.Name = name)", "tryFindBack", "a key that is written twice is refused before"
      "ConfigKind", "if least > 0 then \"minItems\"", "least >= 0", "a list of at least none is any"
      "Usage", "commands |> List.tryFind (fun command -> command.Name = name)", "", "no two commands have one name"
      "CertificateChecks", "| Error _ -> false)", "", "an exact pattern is a name"
      "ProxyHeaderTlvs", "value.Length <= maxBlockBytes", "value.Length < maxBlockBytes", "an item of that length has no room beside its own head"
      "CommandLine", " -> \"", "", "the parser of arguments asks for a text that is shown nowhere"
      "Usage", "words \"COMMAND\" 0 1", "", "help alone is answered before its words are counted"
      "CommandLine", "raiseOnUsage = false", "", "help was answered before"
      "CommandLine", "checkStructure = false", "", "the structure is sound; checking it takes time at a start"
      "Config", "this.Proxies |> List.tryFind (fun proxy -> proxy.Name = name)", "", "no two proxies have one name"
      "ScenarioFile", "scalar \"integer ≥ 0\"", "", "what stands in for a number that is none decides nothing: the file is not run"
      "ScenarioFile", "        | _ -> false", "", "what is no mapping is told as that"
      "Spelling", "Array2D.zeroCreate", "", "a table with room to spare"
      "DescribedClient", "text.Length > 2", "", "no address has one character"
      "ConfigKind", "YamlValue.Null -> \"nothing stands\"", "", "what is null was answered before its shape is asked for"
      "Forecast", "let private accepted = Instant 0L", "", "only differences of instants count"
      "Instant", "if a.Nanoseconds <= b.Nanoseconds then a else b", "<", "of two that are the same either is the earlier"
      "Instant", "if a.Nanoseconds >= b.Nanoseconds then a else b", ">", "of two that are the same either is the later"
      "IpNetwork", "AddressRange.Compare(range.Last, before.Last) > 0", "", "of two that end alike either end will do"
      "IpNetwork", "if joined.Count > 0 && AddressRange.Compare(range.First, joined[joined.Count - 1].Last) <= 0 then", "", "two ranges that share one address, joined or not, hold the same addresses"
      "Statsd", "text.Length > length", "text.Length >= length", "of a text of just that length all is left"
      "Duration", "x > 0L && y > 0L && sum < 0L", "x > 0L && y > 0L && sum <= 0L", "two positive numbers never come round to zero"
      "IpNetwork", "if slash < 0 then text else", "", "before a leading slash no address was read"
      "Address", "elif scheme > 0 && not", "", "an empty scheme is not known either way"
      "ProxyHeaderText", "if rest.Length < full tcp6", "", "at the full keyword both ways ask for the same number of bytes" ]

/// Breakages by hand, where the rule is an expression: the module, the text, what it becomes.
let byHand =
    [ "Backoff", "min (attempt - 2) 62", "min (attempt - 1) 62"
      "Backoff", "Duration.OfSeconds 3_600L", "Duration.OfSeconds 3_601L"
      "Backoff", "cap.TotalNanoseconds >>> doublings", "cap.TotalNanoseconds >>> (doublings + 1)"
      "Backoff", "Duration.OfNanoseconds(nanoseconds <<< doublings)", "Duration.OfNanoseconds(nanoseconds * int64 (doublings + 1))"
      "Balancer", "[| 0 |]", "[| count - 1 |]"
      "Balancer", "Array.init count id", "Array.init (max 1 (count - 1)) id"
      "Balancer", "int (uint64 ticket % uint64 count)", "int (abs ticket % int64 count)"
      "Balancer", "(start + i) % count", "(start + 2 * i) % count"
      "Balancer", "[| index |]", "[| index; 0 |]"
      "DialFault", "CloseReason.make who Phase.Dial cause", "CloseReason.make who Phase.Relay cause"
      "DialFault", "| IoFault.Reset -> Cause.Reset", "| IoFault.Reset -> Cause.Unreachable"
      "DialFault", "| IoFault.TimedOut -> Cause.Vanished", "| IoFault.TimedOut -> Cause.Reset"
      "DialFault", "| DialFault.UsedUp -> false", "| DialFault.UsedUp -> true"
      "DialFault", "| DialFault.Socks(SocksFault.Refused _)", "| DialFault.Socks(SocksFault.Ended _)"
      "DialPlan", "Attempt = 1; Begun = 1 }", "Attempt = 0; Begun = 1 }"
      "DialPlan", "let attempt = plan.Attempt + 1", "let attempt = plan.Attempt + 2"
      "DialPlan", "Place = plan.Place + 1; Attempt = 1", "Place = plan.Place + 1; Attempt = plan.Attempt"
      "DialWay", "max leastShare equal", "min leastShare equal"
      "DialWay", "left.TotalNanoseconds > leastShare", "left.TotalNanoseconds >= leastShare"
      "DialWay", "way.IsDestinationAtFault || DialFault.anotherAddressMayDo fault", "DialFault.anotherAddressMayDo fault"
      "DialWay", "Destination = way.Destination + 1; IsDestinationAtFault = false", "Destination = way.Destination + 1; IsDestinationAtFault = true"
      "Admission", "limit <= 0 || openNow < limit", "limit <= 0 || openNow <= limit"
      "Admission", "listener.AuthorizedSources.IsEmpty", "not listener.AuthorizedSources.IsEmpty"
      "Admission", "listener.TrustedProxies.Contains address", "listener.AuthorizedSources.Contains address"
      "DescriptorScarcity", "inUse >= scarcity.Limit - reserved", "inUse > scarcity.Limit - reserved"
      "DescriptorScarcity", "2L * reserved", "1L * reserved"
      "DescriptorScarcity", "free / DescriptorBudget.descriptorsPerConnection", "free"
      "DescriptorScarcity", "{ IsHeld = true; Calm = 0 }", "{ IsHeld = true; Calm = 1 }"
      "DescriptorScarcity", "if isAmple scarcity (inUse count) then episode.Calm + 1 else 0", "if isAmple scarcity (inUse count) then episode.Calm + 1 else episode.Calm"
      "DescriptorScarcity", "IsHeld = (allowed = 0); Calm", "IsHeld = (episode.IsHeld && allowed = 0); Calm"
      "DescriptorScarcity", "64L * int64 closed", "63L * int64 closed"
      "DescriptorScarcity", "isHeld scarcity && isWorthCounting scarcity closed", "isWorthCounting scarcity closed"
      "DescriptorBudget", "descriptorLimit >= needed", "descriptorLimit > needed"
      "DescriptorBudget", "max inUse (programDescriptors + loopDescriptors * int64 loops)", "inUse"
      "DescriptorBudget", "loopDescriptors * int64 loops + int64 reservedDescriptors", "loopDescriptors * int64 loops"
      "CertificateTable", "own.Add owners[place]", "own.Add place"
      "CertificateTable", "| [||] -> best taken first", "| [||] -> certificates.Count - 1"
      "CertificateTable", "named.TrueForAll", "named.Exists"
      "CertificateTable", "| candidates -> best taken candidates", "| candidates -> candidates[0]"
      "Alpn", "List.contains name offered", "not (List.contains name offered)"
      "Alpn", "| None -> AlpnChoice.Refused", "| None -> AlpnChoice.Absent"
      "CloseReason", "| Cause.Probe -> \"probe\"", "| Cause.Probe -> \"ended\""
      "CloseReason", "| Who.Bitflow -> \"bitflow\"", "| Who.Bitflow -> \"client\""
      "RelayClock", "a.LastMoved + timeout", "a.LastTaken + timeout"
      "RelayClock", "(lastMoved + (now - heldSince))", "lastMoved"
      "RelayClock", "now + timeout", "Instant.Never"
      "Life", "{ life with IsCounted = true }", "life"
      "Life", "dial life now ValueNone", "dial life now (ValueSome 0L)"
      "Life", "(Instant.limitFrom life.AcceptedAt life.Rules.Proxy.Listener.HandshakeTimeout)", "(Instant.limitFrom life.AcceptedAt (life.Rules.Proxy.Listener.HandshakeTimeout + life.Rules.Proxy.Listener.HandshakeTimeout))"
      "Life", "(Step.Relay(Relaying.With plan.Target)) (lifetimeEnd life)", "(Step.Relay(Relaying.With plan.Target)) life.Deadline"
      "Printable", "min bytes.Length maxCharacters - 1", "min bytes.Length maxCharacters - 2"
      "Printable", "digit (int b &&& 15)", "digit (int b &&& 7)"
      "CertificateTable", "name <> \"*\"", "name = \"*\""
      "CertificateTable", "owners.Add index", "owners.Add 0"
      "Config", "let minVersion = TlsVersion.Tls13", "let minVersion = TlsVersion.Tls12"
      "Crc32c", "hole >= 0 && i >= hole && i < hole + 4", "hole > 0 && i >= hole && i < hole + 4"
      "Crc32c", "hole >= 0 && i >= hole && i < hole + 4", "hole >= 0 && i > hole && i < hole + 4"
      "Crc32c", "hole >= 0 && i >= hole && i < hole + 4", "hole >= 0 && i >= hole && i <= hole + 4"
      "Crc32c", "hole >= 0 && i >= hole && i < hole + 4", "hole >= 0 && i >= hole && i < hole + 3"
      "Crc32c", "~~~crc", "crc"
      "Address", "FilePath.withoutSpareSteps rest", "rest"
      "TargetAddress", "Error(AddressError.NamedTarget descriptor)", "Error(AddressError.BadDescriptor descriptor)"
      "AddressChoice", "Seq.filter IpAddress.isV4", "Seq.filter (IpAddress.isV4 >> not)"
      "AddressChoice", "Seq.filter IpAddress.isV4", "Seq.filter (fun _ -> true)"
      "AddressChoice", "Seq.filter IpAddress.isV4", "Seq.truncate 1"
      "AddressChoice", "Seq.filter (IpAddress.isV4 >> not)", "Seq.filter IpAddress.isV4"
      "AddressChoice", "Seq.filter (IpAddress.isV4 >> not)", "Seq.filter (fun _ -> true)"
      "OutboundHeader", "struct (Endpoint.Unix \"\", local)", "struct (peer, local)"
      "OutboundHeader", "struct (peer, local)", "struct (local, peer)"
      "OutboundHeader", "struct (client, connectedTo)", "struct (client, local)"
      "OutboundHeader", "word tls.Alpn", "word tls.ServerName"
      "OutboundHeader", "certificate |> Option.exists (fun c -> c.Verified)", "certificate.IsSome"
      "Json", "JsonText.compact", "JsonText.indented"
      "Json", "Encoding.UTF8.GetString(JsonText.bytes JsonText.indented (fun writer -> write writer json)) + \"\\n\"", "Encoding.UTF8.GetString(JsonText.bytes JsonText.compact (fun writer -> write writer json)) + \"\\n\""
      "Json", "Encoding.UTF8.GetString(JsonText.bytes JsonText.indented (fun writer -> write writer json)) + \"\\n\"", "Encoding.UTF8.GetString(JsonText.bytes JsonText.indented (fun writer -> write writer json))"
      "Json", "writer.WriteNumberValue number", "writer.WriteNumberValue(number + 1m)"
      "Json", "writer.WriteBooleanValue value", "writer.WriteBooleanValue(not value)"
      "Json", "List.iter (write writer) items", "List.iter (write writer) (List.rev items)"
      "Json", "writer.WriteStringValue(JsonText.orEmpty text)", "writer.WriteStringValue(JsonText.orEmpty text + \" \")"
      "KeyExchange", "set [ 0x17us; 0x18us; 0x19us; 0x1dus; 0x1eus; 0x0100us; 0x0101us ]", "set [ 0x17us; 0x18us; 0x19us; 0x1dus; 0x1eus; 0x0100us; 0x0101us; 0x0102us ]"
      "KeyExchange", "dict [ 0x0102us, \"ffdhe4096\"; 0x0103us, \"ffdhe6144\"; 0x0104us, \"ffdhe8192\" ]", "dict [ 0x0102us, \"ffdhe4096\"; 0x0103us, \"ffdhe6144\" ]"
      "KeyExchange", "Option.orElse asked share", "asked"
      "Config", "| VerifyMode.Relaxed -> \"relaxed\"", "| VerifyMode.Relaxed -> \"strict\""
      "Config", "| TlsVersion.Tls12 -> \"1.2\"", "| TlsVersion.Tls12 -> \"1.3\""
      "Config", "| Policy.RoundRobin -> \"round-robin\"", "| Policy.RoundRobin -> \"failover\""
      "Config", "this.Certificates |> List.tryPick _.Shown", "List.rev this.Certificates |> List.tryPick _.Shown"
      "ConfigRules", "| ValueSome { Value = YamlValue.Scalar(\"\", _) } -> false", "| ValueSome { Value = YamlValue.Scalar(\"\", _) } -> true"
      "ConfigKeys", "Duration.Zero, \"no limit\"", "Duration.OfSeconds 60L, \"no limit\""
      "ConfigKeys", "(Defaults.handshakeTimeout, \"`10s`\")", "(Duration.Zero, \"`10s`\")"
      "ConfigKeys", "max 1 attempts", "attempts"
      "ConfigKeys", "(VerifyMode.Strict, \"verified, as `strict`\")", "(VerifyMode.None, \"verified, as `strict`\")"
      "ConfigKeys", "(Kind.integer 0 DialPlan.mostAttempts)", "(Kind.integer 1 DialPlan.mostAttempts)"
      "ConfigKeys", "(Defaults.connectTimeout, \"`10s`\")", "(Duration.Zero, \"`10s`\")"
      "ConfigKeys", "(if header then Some version else None)", "(if header then None else Some version)"
      "ConfigKeys", "(Kind.nonEmptyList (record \"a target\" target))", "(Kind.list (record \"a target\" target))"
      "KeyTable", "(if key.IsList then \"[]\" else \"\")", "\"\""
      "KeyTable", "place + \".\"", "place"
      "ConfigSchema", "(Json.Object(about @ members))", "(Json.Object members)"
      "ConfigSchema", "Json.Text \"https://json-schema.org/draft/2020-12/schema\"", "Json.Text \"https://json-schema.org/draft-07/schema\""
      "KeyTable", "marks = \"\"", "marks <> \"\""
      "Forecast", "Event.Ticket client.Ticket", "Event.Ticket(client.Ticket + 1L)"
      "Forecast", "Admission.isBelowLimit rules.ConnectionLimit client.OpenConnections", "Admission.isBelowLimit rules.ConnectionLimit (client.OpenConnections - 1)" ]

type Mutant =
    { Module: string
      /// From 0.
      Line: int
      Was: string
      Is: string
      /// The line with mutants behind switches, given the number of each and what becomes.
      Switched: (int * string) list -> string }

// -- Where a line may be broken --------------------------------------------------------------------------------------------------

let neighbours =
    [ " <= ", " < "; " >= ", " > "; " < ", " <= "; " > ", " >= "; " <> ", " = "; " = ", " <> "; " && ", " || "; " || ", " && " ]

let words =
    [ @"\bmin\b", "max"; @"\bmax\b", "min"
      @"\bearlier\b", "later"; @"\blater\b", "earlier"
      @"\btrue\b", "false"; @"\bfalse\b", "true"
      @"\bexists\b", "forall"; @"\bforall\b", "exists"
      @"\bfst\b", "snd"; @"\bsnd\b", "fst"
      @"\bIsSome\b", "IsNone"; @"\bIsNone\b", "IsSome"
      @"\bList\.(rev|distinct)\b", "id"; @"\bList\.sort\b", "id"
      @"\b(List|Seq|Array)\.tryFind\b", "$1.tryFindBack"
      @"\b(List|Seq|Array)\.head\b", "$1.last"
      @"\bTrimEnd\b", "TrimStart"; @"\bTrimStart\b", "TrimEnd"
      @"\bStartsWith\b", "EndsWith"; @"\bEndsWith\b", "StartsWith"
      @"\bLastIndexOf\b", "IndexOf"; @"(?<=\.)IndexOf\b", "LastIndexOf"
      @"\(\(<>\) ", "((=) "; @"\(\(=\) ", "((<>) "
      @" \+ ", " - "; @" - ", " + "; @" && ", " || "; @" \|\| ", " && "
      @" <= ", " < "; @" >= ", " > "; @" < ", " <= "; @" > ", " >= "; @" <> ", " = "
      @">>>", "<<<"; @"<<<", ">>>" ]

/// Which characters are code, neither text nor comment.
let codeOf (line: string) =
    let code = Array.create line.Length true
    let mutable quoted, i = false, 0
    while i < line.Length do
        if quoted then
            code[i] <- false
            if line[i] = '\\' && i + 1 < line.Length then
                code[i + 1] <- false
                i <- i + 1
            elif line[i] = '"' then quoted <- false
        elif line[i] = '"' then
            code[i] <- false
            quoted <- true
        elif line[i] = '\'' && i + 2 < line.Length && (line[i + 2] = '\'' || line[i + 1] = '\\') then
            let until = line.IndexOf('\'', i + 2)
            for k in i .. (if until < 0 then i else until) do code[k] <- false
            i <- max i until
        elif line[i] = '/' && i + 1 < line.Length && line[i + 1] = '/' then
            for k in i .. line.Length - 1 do code[k] <- false
            i <- line.Length
        i <- i + 1
    code

let isCode (line: string) = line.Trim() <> "" && not (line.TrimStart().StartsWith "//") && not (line.Contains "\"\"\"") && not (line.Contains "[<")
let indentOf (line: string) = line.Length - line.TrimStart().Length

/// How many brackets are open at the end, or -1 where one is closed that was not opened.
let openBrackets (text: string) =
    let code = codeOf text
    let mutable depth = 0
    for i in 0 .. text.Length - 1 do
        if code[i] && depth >= 0 then
            if "([{".Contains text[i] then depth <- depth + 1
            elif ")]}".Contains text[i] then depth <- depth - 1
    depth

/// The whole of an expression from a place to the end of its line, less the brackets that close what was opened before it.
let rec balanced (text: string) =
    match openBrackets text with
    | 0 when text.Trim() <> "" -> Some text
    | -1 when text.Length > 1 -> balanced (text.Substring(0, text.Length - 1).TrimEnd())
    | _ -> None

let heads =
    [ @"^\s*\|> "; @"^\s*\| .*? -> "; @"^\s*(if|elif) .*? then (?!.* else )"; @"^\s*else "; @"^\s*(let|member|static member|override|default) [^=]*? = "
      @"^\s*(\{ )?[A-Z]\w+ = "; @"^\s*yield!? "; @"^\s*return "; @"^\s*" ]

/// What stands before the expression of a line, and the expression.
let expressionOf (lines: string array) at =
    let line = lines[at]
    let next = if at + 1 < lines.Length then lines[at + 1] else ""
    let goesOn = next.Trim() <> "" && (indentOf next > indentOf line || Regex.IsMatch(next.TrimStart(), @"^(\|>|\|\||&&|\+|@|>>|then|else|elif|\.)"))
    let bare = line.TrimStart()
    if not (isCode line) || goesOn || Regex.IsMatch(bare, @"^(type|module|namespace|open|match|for|while|use|and|with|exception|interface|abstract|new|inherit|do|try|static let|elif .*(?<! then .*)$)\b") then None
    else
        heads
        |> List.tryPick (fun head ->
            let found = Regex.Match(line, head)
            let rest = if found.Success then line.Substring found.Length else ""
            let isPlain = head <> @"^\s*" || not (Regex.IsMatch(bare, @"^(let|member|if|elif|else|\||static|override)"))
            if found.Success && isPlain && openBrackets found.Value >= 0 && not (Regex.IsMatch(rest.TrimEnd(), @"(=|->|then|do|with|\(|\[|\{|,|fun \w+ ->)$")) then
                balanced rest |> Option.map (fun expression -> found.Value, expression, rest.Substring expression.Length)
            else None)

let switched was mutants = (was, mutants) ||> List.fold (fun text (number: int, is) -> $"(if Mutant.is {number} then ({is}) else ({text}))")

let conditions name (lines: string array) =
    [ for at in 0 .. lines.Length - 1 do
          let line = lines[at]
          let found = Regex.Match(line, @"^(?<before>.*\b(?:if|elif) )(?<condition>.+?)(?<after> then\b.*)$")
          let guard = Regex.Match(line, @"^(?<before>\s*\| .* when )(?<condition>.+?)(?<after> ->.*)$")
          let found = if guard.Success then guard else found
          if isCode line && not (line.Contains "$\"") && found.Success && Regex.Matches(line, @"\bif\b").Count <= 1 then
              let was = found.Groups["condition"].Value
              let is =
                  match neighbours |> List.tryFind (fun (from, _) -> was.Contains from) with
                  | Some(from, into) -> was.Substring(0, was.IndexOf from) + into + was.Substring(was.IndexOf from + from.Length)
                  | None -> $"not ({was})"
              { Module = name; Line = at; Was = was; Is = is; Switched = fun mutants -> found.Groups["before"].Value + switched was mutants + found.Groups["after"].Value } ]

let caseOf (line: string) =
    let found = Regex.Match(line, @"^(?<indent>\s*)\| (?<pattern>[^""]+?) -> (?<body>.+)$")
    if isCode line && found.Success && not (line.Contains "| _ when") then Some(found.Groups["indent"].Value, found.Groups["pattern"].Value, found.Groups["body"].Value) else None

let cases name (lines: string array) =
    [ for at in 0 .. lines.Length - 1 do
          let next = if at + 1 < lines.Length then lines[at + 1] else ""
          match caseOf lines[at], caseOf next with
          | Some(indent, pattern, body), neighbour when indentOf next <= indent.Length && openBrackets body = 0 && not (pattern.Contains " when ") ->
              let siblings =
                  lines |> Seq.skip (at + 1) |> Seq.takeWhile (fun l -> l.Trim() = "" || indentOf l > indent.Length || l.StartsWith(indent + "|") || l.TrimStart().StartsWith "//")
              let isCovered = siblings |> Seq.exists (fun l -> l.StartsWith(indent + "| _ "))
              match neighbour with
              | _ when isCovered ->
                  { Module = name; Line = at; Was = $"| {pattern} -> {body}"; Is = "(the case is dropped)"
                    Switched = fun mutants -> $"{indent}| {pattern} when not (Mutant.is {fst mutants.Head}) -> {body}" }
              | Some(otherIndent, _, other) when otherIndent = indent && other <> body && openBrackets other = 0 ->
                  { Module = name; Line = at; Was = $"| {pattern} -> {body}"; Is = $"| {pattern} -> {other}"
                    Switched = fun mutants -> $"{indent}| {pattern} -> {switched body [ (fst mutants.Head, other) ]}" }
              | _ -> ()
          | _ -> () ]

let changed name (lines: string array) (change: string -> (int * int * string) list) =
    [ for at in 0 .. lines.Length - 1 do
          match expressionOf lines at with
          | Some(before, expression, after) ->
              for start, length, into in change expression do
                  let is = expression.Substring(0, start) + into + expression.Substring(start + length)
                  { Module = name; Line = at; Was = expression; Is = is; Switched = fun mutants -> before + switched expression mutants + after }
          | None -> () ]

let inCode (expression: string) (pattern: string) =
    let code = codeOf expression
    [ for found in Regex.Matches(expression, pattern) do if code[found.Index] then found ]

let numbers name lines =
    changed name lines (fun expression ->
        [ for found in inCode expression @"(?<![\w.\u0022])(?<digits>\d[\d_]*)(?<suffix>L|uy|us|UL)?(?![\w.])" |> List.truncate 1 do
              match Int64.TryParse(found.Groups["digits"].Value.Replace("_", "")) with
              | true, n -> found.Index, found.Length, string (n + 1L) + found.Groups["suffix"].Value
              | _ -> () ])

let swaps name lines =
    changed name lines (fun expression ->
        [ for pattern, into in words do
              match inCode expression pattern with
              | found :: _ -> found.Index, found.Length, found.Result into
              | [] -> () ]
        |> List.truncate 1)

let hand name (lines: string array) =
    [ for m, was, is in byHand do
          if m = name then
              match lines |> Array.tryFindIndex (fun l -> l.Contains was && not (l.TrimStart().StartsWith "//")) with
              | None -> failwith $"{name}: \"{was}\" is no longer there"
              | Some at ->
                  let line = lines[at]
                  let put (text: string) = line.Substring(0, line.IndexOf was) + text + line.Substring(line.IndexOf was + was.Length)
                  let arrow, equals = was.IndexOf " -> ", was.IndexOf " = "
                  let written (mutants: (int * string) list) =
                      let behind start = switched (was.Substring start) (mutants |> List.map (fun (n, is: string) -> n, is.Substring start))
                      // A whole case: the switch goes behind its arrow.
                      if was.StartsWith "| " && arrow > 0 then was.Substring(0, arrow + 4) + behind (arrow + 4)
                      elif was.StartsWith "let " then was.Substring(0, equals + 3) + behind (equals + 3)
                      elif Regex.IsMatch(was, @"^[A-Z]\w+ = .*; ") then
                          // Fields of a record: the switch in the value that differs.
                          Array.zip (was.Split "; ") (is.Split "; ")
                          |> Array.map (fun (a, b) ->
                              let equals = a.IndexOf " = " + 3
                              let value (text: string) = text.Substring(equals).TrimEnd(' ', '}')
                              if a = b then a
                              else a.Substring(0, equals) + switched (value a) [ (fst mutants.Head, value b) ] + (if a.EndsWith " }" then " }" else ""))
                          |> String.concat "; "
                      else switched was mutants
                  { Module = name; Line = at; Was = was; Is = is; Switched = written >> put } ]

/// What can be broken in a module: by hand, and by the rules; one mutant a line, by hand several of the same text. They take turns by kind, so that no kind has all.
let mutantsOf (name: string) =
    let lines = File.ReadAllLines(Path.Combine(root, core, name + ".fs"))
    for m, piece, _, _ in equivalent do
        if m = name && not (lines |> Array.exists _.Contains(piece)) then failwith $"{name}: \"{piece}\" is no longer there"
    let isEquivalent (m: Mutant) = equivalent |> List.exists (fun (name, piece, becomes, _) -> name = m.Module && lines[m.Line].Contains piece && m.Is.Contains becomes)
    let byHand = hand name lines
    let byRule = [ conditions name lines; cases name lines; numbers name lines; swaps name lines ] |> List.map (List.filter (isEquivalent >> not))
    let ofLine at =
        match byRule |> List.filter (List.exists (fun m -> m.Line = at)) with
        | [] -> None
        | kinds -> kinds[at % kinds.Length] |> List.tryFind (fun m -> m.Line = at)
    let taken = byHand |> List.map _.Line |> set
    byHand, [ for at in 0 .. lines.Length - 1 do if not (taken.Contains at) then match ofLine at with Some m -> m | None -> () ]

// -- A copy of the core with every mutant in it ------------------------------------------------------------------------------------

/// Inside the repository: some laws read its documents, found upwards from where they run.
let place = Path.Combine(root, "artifacts", $"mutants-{Environment.ProcessId}")

let run (directory: string) (program: string) (arguments: string) =
    let info = ProcessStartInfo(program, arguments, WorkingDirectory = directory, RedirectStandardOutput = true, RedirectStandardError = true)
    use child = Process.Start info
    let output, errors = child.StandardOutput.ReadToEndAsync(), child.StandardError.ReadToEndAsync()
    child.WaitForExit()
    child.ExitCode, output.Result + errors.Result

let copy (from: string) (into: string) =
    for file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories) do
        let relative = Path.GetRelativePath(from, file)
        if not (Regex.IsMatch(relative, @"(^|/)(bin|obj)/")) then
            let target = Path.Combine(into, relative)
            Directory.CreateDirectory(Path.GetDirectoryName target) |> ignore
            File.Copy(file, target, true)

let replaceIn (path: string) (was: string) (into: string) =
    let path = Path.Combine(place, path)
    let text = File.ReadAllText path
    if not (text.Contains was) then failwith $"{path} does not hold {was}"
    File.WriteAllText(path, text.Replace(was, into))

let prepare () =
    copy (Path.Combine(root, core)) (Path.Combine(place, core))
    for file in [ "Directory.Build.props"; "Directory.Packages.props"; "global.json" ] do
        File.Copy(Path.Combine(root, file), Path.Combine(place, file), true)
    File.WriteAllText(
        Path.Combine(place, core, "Mutant.fs"),
        "module internal Bitflow.Domain.Mutant\n\nlet mutable number = match System.Int32.TryParse(System.Environment.GetEnvironmentVariable \"MUTANT\") with | true, n -> n | _ -> 0\nlet is (n: int) = (number = n)\n"
    )
    let project = Path.Combine(core, "Bitflow.Domain.fsproj")
    replaceIn project "<Compile Include=\"WholeNumber.fs\" />" "<Compile Include=\"Mutant.fs\" /><Compile Include=\"WholeNumber.fs\" />"
    // Conditions that are never true are the point here, and redundant parentheses no harm.
    replaceIn project "<WarningLevel>5</WarningLevel>" "<WarningLevel>3</WarningLevel><TreatWarningsAsErrors>false</TreatWarningsAsErrors><OtherFlags>--maxerrors:100000</OtherFlags>"

/// The mutants in the copy, numbered from 1: those that the compiler takes. One that binds names, or is of a kind that the switch
/// cannot hold, is left alone.
let rec build (mutants: (int * Mutant) list) =
    for name, ofModule in mutants |> List.groupBy (fun (_, m) -> m.Module) do
        let lines = File.ReadAllLines(Path.Combine(root, core, name + ".fs"))
        for _, ofLine in ofModule |> List.groupBy (fun (_, m) -> m.Line) do
            let first = snd ofLine.Head
            lines[first.Line] <- first.Switched(ofLine |> List.map (fun (number, m) -> number, m.Is))
        File.WriteAllLines(Path.Combine(place, core, name + ".fs"), lines)
    let status, output = run place "dotnet" $"build {core} -c Release -v q -nologo"
    if status = 0 then
        mutants
    else
        // FS0064: less generic than before, which breaks others.
        let faults =
            [ for found in Regex.Matches(output, @"/(?<module>\w+)\.fs\((?<line>\d+),\d+\): (error|warning FS0064)") -> found.Groups["module"].Value, int found.Groups["line"].Value - 1 ]
            |> List.distinct
        /// A fault may show some lines below what brought it about.
        let guilty =
            faults
            |> List.choose (fun (name, line) ->
                mutants |> List.filter (fun (_, m) -> m.Module = name && m.Line <= line) |> List.sortByDescending (fun (_, m) -> m.Line) |> List.tryHead)
            |> List.collect (fun (_, guilty) -> mutants |> List.filter (fun (_, m) -> m.Module = guilty.Module && m.Line = guilty.Line))
            |> List.map fst
            |> set
        if guilty.IsEmpty then failwith $"the copy does not build:\n{output}"
        printfn $"{guilty.Count} mutants do not compile and are left alone"
        build (mutants |> List.filter (fun (number, _) -> not (guilty.Contains number)))

// -- Judging -----------------------------------------------------------------------------------------------------------------------

/// The laws, as spec/bin has them, beside the mutated core.
let prepareLaws () =
    let built = Path.Combine(root, "spec", "bin", "Release", "net10.0")
    if not (File.Exists(Path.Combine(built, "Bitflow.Spec.dll"))) then failwith "the laws are not built: dotnet build -c Release spec"
    let laws = Path.Combine(place, "laws")
    copy built laws
    File.Copy(Path.Combine(place, core, "bin", "Release", "net10.0", "Bitflow.Domain.dll"), Path.Combine(laws, "Bitflow.Domain.dll"), true)
    Path.Combine(laws, "Bitflow.Spec.dll")

/// A process that runs laws; `mutant` is in force from its start, values that are made once included.
type Judge(program: string, mutant: int) =
    let start () =
        let info = ProcessStartInfo("dotnet", $"\"{program}\"", WorkingDirectory = root, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true)
        for name, value in ("MUTANT", string mutant) :: environment do
            info.Environment[name] <- value
        let child = Process.Start info
        child.ErrorDataReceived.Add ignore
        child.BeginErrorReadLine()
        child
    let mutable child = start ()

    /// The law that caught it; empty: none did.
    member _.Ask(number: int, chapters: string list) =
        child.StandardInput.WriteLine(String.concat " " (string number :: chapters))
        child.StandardInput.Flush()
        let rec listen () : Task<string> =
            task {
                let! line = child.StandardOutput.ReadLineAsync()
                return! if isNull line || line.StartsWith $"{number}\t" then Task.FromResult line else listen ()
            }
        let answer = listen ()
        let again verdict =
            (try child.Kill true with _ -> ())
            child <- start ()
            verdict
        if not (answer.Wait patience) then again "(a law that did not end)"
        elif isNull answer.Result then again "(a law that broke the process down)"
        else (answer.Result.Split '\t')[1]

    interface IDisposable with
        member _.Dispose() = try child.Kill true with _ -> ()

let judgeAll (program: string) (mutants: (int * Mutant) list) =
    let queue = ConcurrentQueue mutants
    let verdicts = ConcurrentDictionary<int, string>()
    let work () =
        use judge = new Judge(program, 0)
        let rec next () =
            match queue.TryDequeue() with
            | true, (number, m) ->
                let chapters = modules |> List.find (fun (name, _) -> name = m.Module) |> snd
                let verdict =
                    match judge.Ask(number, chapters) with
                    | "" ->
                        use alone = new Judge(program, number)
                        match alone.Ask(number, chapters) with
                        | "" -> alone.Ask(number, [])
                        | law -> law
                    | law -> law
                verdicts[number] <- verdict
                let shown = if verdict = "" then "SURVIVED" else verdict
                printfn $"{m.Module}.fs:{m.Line + 1} {m.Was} -> {m.Is}: {shown}"
                next ()
            | _ -> ()
        next ()
    Task.WaitAll [| for _ in 1..processes -> Task.Factory.StartNew(work, TaskCreationOptions.LongRunning) |]
    [ for number, m in mutants -> m, verdicts[number] ]

// -- The page ----------------------------------------------------------------------------------------------------------------------

let cell (text: string) = "`" + text.Replace("|", "\\|") + "`"

let page = Path.Combine(root, "docs", "mutations.md")

/// The rows of each module, as the page has them.
let written () =
    if not (File.Exists page) then Map.empty
    else
        Regex.Split(File.ReadAllText page, @"^## ", RegexOptions.Multiline)
        |> Array.map (fun part -> part.Split('\n')[0], part.Split '\n' |> Array.filter (fun l -> Regex.IsMatch(l, @"^\| \d")) |> Array.toList)
        |> Array.filter (fun (_, rows) -> not rows.IsEmpty)
        |> Map.ofArray

/// The page, with the modules of these results renewed.
let write (order: string list) (results: (Mutant * string) list) =
    let row (m: Mutant, law: string) =
        let is = if m.Is.StartsWith "(the" then m.Is else cell m.Is
        $"""| {m.Line + 1} | {cell m.Was} | {is} | {if law = "" then "**nothing**" else law.Trim()} |"""
    let renewed = results |> List.groupBy (fun (m, _) -> m.Module) |> List.map (fun (name, results) -> name, List.map row results)
    let rows = (written (), renewed) ||> List.fold (fun rows (name, ofModule) -> Map.add name ofModule rows)
    let shown = order |> List.filter rows.ContainsKey
    let all = shown |> List.collect (fun name -> rows[name])
    let caught = all |> List.filter (fun row -> not (row.EndsWith "| **nothing** |"))
    let text = StringBuilder()
    let line (s: string) = text.Append(s).Append('\n') |> ignore
    line "# Mutations"
    line ""
    line "Written by `dotnet fsi spec/mutate.fsx`, which breaks the core in plausible ways, one at a time, and runs the laws."
    line $"{caught.Length} of {all.Length} mutations of {shown.Length} modules were caught; the law named is the first that failed."
    for name in shown do
        line ""
        line $"## {name}"
        line ""
        line "| line | was | became | caught by |"
        line "|---|---|---|---|"
        List.iter line rows[name]
    line ""
    line "## Not broken"
    line ""
    line "Modules that decide nothing:"
    line ""
    for name, why in withoutDecision do
        line $"- {name}: {why}."
    line ""
    line "Lines whose mutant means the same, so that no law can tell:"
    line ""
    for name, piece, becomes, why in equivalent do
        let into = if becomes = "" then "" else $" (with {cell becomes})"
        line $"- {name}, {cell piece}{into}: {why}."
    File.WriteAllText(page, string text)

let arguments = fsi.CommandLineArgs |> Array.skip 1 |> Array.toList
let isSmoke = arguments = [ "smoke" ]

/// Every file of the core is here, in the order of the compile list.
let listed =
    [ for found in Regex.Matches(File.ReadAllText(Path.Combine(root, core, "Bitflow.Domain.fsproj")), "Compile Include=\"(\\w+)\\.fs\"") -> found.Groups[1].Value ]

match listed |> List.filter (fun name -> not (List.contains name (List.map fst modules @ List.map fst withoutDecision))) with
| [] -> ()
| unknown -> failwith $"""neither mutated nor without a decision: {String.concat ", " unknown}"""

/// All that is broken of a module, the choice by rule spread over it.
let choose (compiled: (int * Mutant) list) name =
    let byHand = mutantsOf name |> fst |> List.map (fun m -> m.Line, m.Is) |> set
    let byHand, byRule = compiled |> List.filter (fun (_, m) -> m.Module = name) |> List.partition (fun (_, m) -> byHand.Contains(m.Line, m.Is))
    let room = max 0 (mostPerModule - byHand.Length)
    byHand @ (if byRule.Length <= room then byRule else [ for i in 0 .. room - 1 -> byRule[i * byRule.Length / room] ])

try
    let all = listed |> List.filter (fun name -> List.exists (fst >> (=) name) modules) |> List.map (fun name -> name, mutantsOf name)
    let chosen =
        match arguments with
        | []
        | [ "smoke" ] -> all
        | names -> all |> List.filter (fun (name, _) -> List.contains name names)
    let numbered =
        // By hand alone in the smoke test: these compile, and are caught.
        if isSmoke then
            [ for name, (byHand, _) in chosen do if List.contains name [ "Backoff"; "Balancer"; "Admission"; "RelayClock" ] then yield! List.truncate 2 byHand ]
        else [ for _, (byHand, byRule) in chosen do yield! byHand @ byRule ]
        |> List.mapi (fun i m -> i + 1, m)
    prepare ()
    let compiled = build numbered
    let program = prepareLaws ()
    let mutants = chosen |> List.collect (fun (name, _) -> choose compiled name)
    printfn $"{mutants.Length} mutants of {mutants |> List.distinctBy (fun (_, m) -> m.Module) |> List.length} modules, of {compiled.Length} that compile"
    do
        use judge = new Judge(program, 0)
        match judge.Ask(0, (if isSmoke then [ "BackoffLaws" ] else [])) with
        | "" -> ()
        | law -> failwith $"without a mutant does not hold: {law}"
    let results = judgeAll program mutants
    if not isSmoke then write listed results
    for name in results |> List.map (fun (m, _) -> m.Module) |> List.distinct do
        let count = results |> List.filter (fun (m, _) -> m.Module = name) |> List.length
        if count < 5 && not isSmoke then printfn $"{name} has only {count} mutants"
    let survived = results |> List.filter (fun (_, law) -> law = "")
    printfn $"{results.Length - survived.Length} of {results.Length} mutants caught"
    exit (if survived.IsEmpty then 0 else 1)
finally
    if Directory.Exists place then Directory.Delete(place, true)
