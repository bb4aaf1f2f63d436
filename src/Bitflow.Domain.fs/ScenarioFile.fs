namespace Bitflow.Domain

open System
open System.Collections.Generic

/// Which targets answer.
[<RequireQualifiedAccess>]
type TargetsUp =
    | Only of names: string list
    /// Of none: all.
    | AllBut of names: string list

    member this.Names =
        match this with
        | TargetsUp.Only names
        | TargetsUp.AllBut names -> names

    member this.IsUp(target: string) =
        match this with
        | TargetsUp.Only names -> List.contains target names
        | TargetsUp.AllBut names -> not (List.contains target names)

/// What a client is to come to.
[<RequireQualifiedAccess>]
type ExpectedEnd =
    | Anything
    | Target of name: string
    | AnyRefusal
    /// A close reason, or its last words.
    | Refusal of reason: string

/// What a case expects; what it does not say may be anything.
type Expectation =
    { End: ExpectedEnd
      /// The certificate's path as the configuration writes it, or its file name alone; empty: none is shown.
      Certificate: string option
      Attempts: int option }

/// Given this client and these targets alive, expect this target, refusal or certificate.
[<NoComparison; NoEquality>]
type ScenarioCase =
    { At: Position
      Name: string
      /// Empty: the only proxy of the configuration.
      Proxy: string
      Peer: Endpoint
      Header: ProxyOrigin voption
      ServerName: ServerName voption
      AlpnOffer: AlpnName list
      /// The kinds of key whose certificates it verifies.
      Keys: KeyKind list
      OpenConnections: int
      Ticket: int64
      Up: TargetsUp
      Expect: Expectation }

/// A file of cases, and every reason why it is none.
[<NoComparison; NoEquality>]
type ScenarioFile =
    { /// The configuration that the cases are about, as the file names it; relative paths are relative to the file.
      ConfigPath: string
      Cases: ScenarioCase list
      Errors: IReadOnlyList<string> }

/// Cases as YAML: every key said once, as those of a configuration are in `ConfigKeys`.
[<RequireQualifiedAccess>]
module ScenarioFile =
    let private scalar form noun example standIn decode =
        Kind.scalar form noun example Kind.textSchema standIn (fun text -> decode text |> Result.mapError ConfigFault.Case)

    let private orFault fault value = match value with ValueSome value -> Ok value | ValueNone -> Error fault

    let private clientAddress =
        scalar "address, with or without a port, or `unix`" "a client's address" "10.1.2.3" Endpoint.Unknown (fun text ->
            DescribedClient.tryPeer text |> orFault (CaseFault.Client text))

    let private header =
        scalar "`SOURCE[,DESTINATION]`, `local` or `unknown`" "a client's address" "10.1.2.3" ProxyOrigin.Unstated (fun text ->
            DescribedClient.tryHeader text |> orFault (CaseFault.Header text))

    let private serverName =
        scalar "host name" "a server name" "www.example.com" ValueNone (fun text ->
            ServerName.tryCreate text |> Result.map ValueSome |> Result.mapError (fun error -> CaseFault.ServerName(text, error)))

    /// As of the options of `bitflow explain`; quoted or not is the same.
    let private count (most: int64) =
        scalar "integer ≥ 0" "a whole number" "3" 0L (fun text -> WholeNumber.tryParse most text |> orFault (CaseFault.Count(text, most)))

    let private smallCount = count (int64 Int32.MaxValue) |> Kind.map int

    let private keyKinds = Kind.listOrOne (Kind.choice [ for kind in KeyKind.all -> string kind, kind ])

    let private targetName =
        Kind.scalar "text" "a target's name" "web" Kind.textSchema "" (Kind.notEmpty "a target's name" "web" Ok)

    let private targetNames = Kind.listOrOne targetName

    let private refusal =
        scalar "a close reason, its last words, or `true` for any" "a close reason" "bitflow.admission.refused" ExpectedEnd.AnyRefusal (fun text ->
            if Kind.isTrue text then Ok ExpectedEnd.AnyRefusal
            elif CloseReason.allTexts () |> Seq.exists (CloseReason.isNamed text) then Ok(ExpectedEnd.Refusal text)
            else Error(CaseFault.Refusal text))

    let private certificatePath =
        scalar "path or file name" "a certificate's path" "tls/web.pem" "" (FilePath.withoutSpareSteps >> Ok)

    let private fail (site: Site) fault = site.Fail(ConfigFault.Case fault)

    let private saysNothing (site: Site) =
        match site.Node.Value with
        | YamlValue.Mapping entries -> entries |> Array.forall (fun entry -> match entry.Node.Value with YamlValue.Null -> true | _ -> false)
        | _ -> false

    let private expectedEnd (site: Site) target refusal =
        match target, refusal with
        | None, None -> ExpectedEnd.Anything
        | Some name, None -> ExpectedEnd.Target name
        | None, Some refusal -> refusal
        | Some _, Some refusal ->
            fail site CaseFault.TargetAndRefused
            refusal

    let private expectation =
        mapping {
            let! target = optional "target" (Kind.some targetName) (None, "any, or none") "The target that the client reaches."
            and! refused = optional "refused" (Kind.some refusal) (None, "refused or not") "That the client reaches none, and why."
            and! certificate = optional "certificate" (Kind.some certificatePath) (None, "any, or none") "The certificate that the client is shown, by its path as the configuration writes it or by its file's name alone; empty for none."
            and! attempts = optional "attempts" (Kind.some smallCount) (None, "any number") "How often targets are dialled."
            and! site = here
            // A case that expects nothing would hold whatever happens.
            if saysNothing site then fail site CaseFault.ExpectsNothing
            return { End = expectedEnd site target refused; Certificate = certificate; Attempts = attempts }
        }

    let private targetsUp (site: Site) alive down =
        match alive, down with
        | Some names, None -> TargetsUp.Only names
        | None, down -> TargetsUp.AllBut(Option.defaultValue [] down)
        | Some names, Some _ ->
            fail site CaseFault.AliveAndDown
            TargetsUp.Only names

    let private case =
        mapping {
            let! client = required "client" clientAddress "Where the client connects from."
            and! expect = required "expect" (record "what is expected" expectation) "What must come of it, or as much of that as matters."
            and! name = optional "name" Value.name ("", "its line") "What the case is called."
            and! proxy = optional "proxy" Value.name ("", "the only one") "Whose client it is; not needed of one proxy alone."
            and! header = optional "header" (Kind.map ValueSome header) (ValueNone, "none is sent") "The PROXY header that the client sends."
            and! serverName = optional "sni" serverName (ValueNone, "none") "The server name in its hello."
            and! offer = optional "alpn" (Kind.listOrOne Value.protocolName) ([], "no ALPN") "The application protocols in its hello."
            and! keys = optional "keys" keyKinds (KeyKind.all, "every kind") "The kinds of key whose certificates its hello says that it verifies; an ECDSA key is of the kind of its curve."
            and! openConnections = optional "open" smallCount (0, "`0`") "How many connections the proxy has already."
            and! ticket = optional "ticket" (count Int64.MaxValue) (0L, "`0`") "What round-robin draws."
            and! alive = optional "alive" (Kind.some targetNames) (None, "all but `down`") "The targets that answer, all others being down; not beside `down`."
            and! down = optional "down" (Kind.some targetNames) (None, "none") "The targets that do not answer."
            and! site = here
            return
                { At = site.Node.At
                  Name = (if name = "" then $"case in line {site.Node.At.Line}" else name)
                  Proxy = proxy
                  Peer = client
                  Header = header
                  ServerName = serverName
                  AlpnOffer = offer
                  Keys = keys
                  OpenConnections = openConnections
                  Ticket = ticket
                  Up = targetsUp site alive down
                  Expect = expect }
        }

    let private file =
        mapping {
            let! config = optional "config" (Kind.text "path" "a path" "bitflow.yaml" "") ("", "`BITFLOW_CONFIG`") "The configuration that the cases are about, relative to the file of cases."
            and! cases = required "cases" (Kind.nonEmptyList (record "a case" case)) "The cases; at least one."
            return config, cases
        }

    let private root = record "a file of cases" file

    /// Every key, as a tree.
    let keys: Key list = root.Inner

    /// Reads a file of cases. Never throws; a file with errors has no cases worth running.
    [<CompiledName "Read">]
    let read (fileName: string) (bytes: ReadOnlyMemory<byte>) : ScenarioFile =
        let document = Yaml.read bytes.Span
        let findings = FindingLines.ofDocument document
        let config, cases =
            match document.Root with
            | ValueSome node -> readRoot root { Node = node; Path = YamlPath.Root; Findings = findings }
            | ValueNone -> root.StandIn
        { ConfigPath = config
          Cases = cases
          Errors = FindingLines.ofFaults fileName (FindingLines.faults findings) }
