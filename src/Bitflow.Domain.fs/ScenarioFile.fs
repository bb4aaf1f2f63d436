namespace Bitflow.Domain

open System
open System.Collections.Generic

/// That a client is refused, and why.
[<RequireQualifiedAccess>]
type ExpectedRefusal =
    | ForAnyReason
    /// A close reason, or its last words.
    | For of reason: string

    override this.ToString() =
        match this with
        | ExpectedRefusal.ForAnyReason -> "for any reason"
        | ExpectedRefusal.For reason -> reason

/// What a case expects; what it does not say may be anything.
type Expectation =
    { Target: string option
      Refused: ExpectedRefusal option
      /// The certificate's path as the configuration writes it, or its file name alone.
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
      OpenConnections: int
      Ticket: int64
      /// None: all that are not in `Down`.
      Alive: string list option
      Down: string list
      Expect: Expectation }

/// A file of cases, and every reason why it is none.
[<NoComparison; NoEquality>]
type ScenarioFile =
    { /// The configuration that the cases are about, as the file names it; relative paths are relative to the file.
      ConfigPath: string
      Cases: ScenarioCase list
      Errors: IReadOnlyList<string> }

/// Cases as YAML.
[<RequireQualifiedAccess>]
module ScenarioFile =
    /// One reading of one file. Its mutation ends with it.
    type private Reader(fileName: string) =
        let errors = ResizeArray<string>()
        member _.Errors = errors
        member _.Wrong(at: Position, message: string) = errors.Add($"{Shown.escaped fileName}:{at.Line}:{at.Column}: " + Shown.line message)

        member this.Entries(node: YamlNode, what: string, known: string list) =
            match node.Value with
            | YamlValue.Mapping entries ->
                for entry in entries do
                    if not (List.contains entry.Name known) then
                        let hint = match Spelling.nearest entry.Name known with ValueSome name -> $"; did you mean {name}?" | ValueNone -> ""
                        this.Wrong(entry.NameAt, $"{entry.Name} is no key of {what}{hint}")
                entries
            | _ ->
                let keys = String.concat ", " known
                this.Wrong(node.At, $"{what} is a mapping with the keys {keys}")
                [||]

        member _.Find(entries: YamlEntry array, name: string) =
            entries |> Array.tryFind (fun e -> e.Name = name) |> Option.map _.Node

        /// A key with nothing behind it says nothing.
        member this.Says(entries, name) =
            match this.Find(entries, name) with
            | None
            | Some { Value = YamlValue.Null } -> false
            | Some _ -> true

        member this.Text(entries, name) =
            match this.Find(entries, name) with
            | Some { Value = YamlValue.Scalar(text, _) } -> Some text
            | Some { Value = YamlValue.Null }
            | None -> None
            | Some node ->
                this.Wrong(node.At, $"{name} is a single value")
                None

        member this.Read(entries, name, missing: 'a, what: string, convert: string -> 'a voption) =
            match this.Find(entries, name), this.Text(entries, name) with
            | Some node, Some text ->
                match convert text with
                | ValueSome value -> value
                | ValueNone ->
                    this.Wrong(node.At, $"{name}: \"{text}\" is not {what}")
                    missing
            | _ -> missing

        member this.Number(entries, name, most: int64) = this.Read(entries, name, 0L, $"a whole number from 0 to {most}", WholeNumber.tryParse most)

        member this.Texts(entries, name) =
            match this.Find(entries, name) with
            | Some { Value = YamlValue.Sequence items } ->
                Some [ for item in items do
                           match item.Value with
                           | YamlValue.Scalar(text, _) -> text
                           | _ -> this.Wrong(item.At, $"{name} is a list of single values") ]
            | Some { Value = YamlValue.Scalar(text, _) } -> Some [ text ]
            | Some { Value = YamlValue.Null }
            | None -> None
            | Some node ->
                this.Wrong(node.At, $"{name} is a list")
                None

    let private header (reader: Reader) entries : ProxyOrigin voption =
        reader.Read(entries, "header", ValueNone, "a client's address (and behind a comma the one that it connected to), \"local\" or \"unknown\"", DescribedClient.tryHeader >> ValueOption.map ValueSome)

    let private refusal (reader: Reader) (entries: YamlEntry array) : ExpectedRefusal option =
        match reader.Find(entries, "refused"), reader.Text(entries, "refused") with
        | Some _, Some text when Kind.isTrue text -> Some ExpectedRefusal.ForAnyReason
        | Some node, Some text ->
            let known = List.ofSeq (CloseReason.allTexts ())
            if not (List.exists (CloseReason.isNamed text) known) then
                let hint = match Spelling.similar text known with ValueSome name -> $"; did you mean {name}?" | ValueNone -> ""
                reader.Wrong(node.At, $"refused: \"{text}\" is no close reason, and not true for any; write bitflow.admission.refused, or refused, for example{hint}")
            Some(ExpectedRefusal.For text)
        | _ -> None

    let private expectation (reader: Reader) (case: YamlNode) (entries: YamlEntry array) : Expectation =
        let nothing = { Target = None; Refused = None; Certificate = None; Attempts = None }
        match reader.Find(entries, "expect") with
        | None ->
            reader.Wrong(case.At, "a case needs expect, with target, refused or certificate")
            nothing
        | Some node ->
            let expected = reader.Entries(node, "expect", [ "target"; "refused"; "certificate"; "attempts" ])
            let attempts = if reader.Says(expected, "attempts") then Some(int (reader.Number(expected, "attempts", int64 Int32.MaxValue))) else None
            let read =
                { Target = reader.Text(expected, "target")
                  Refused = refusal reader expected
                  Certificate = reader.Text(expected, "certificate") |> Option.map FilePath.withoutSpareSteps
                  Attempts = attempts }
            // A case that expects nothing would hold whatever happens.
            if expected |> Array.forall (fun entry -> not (reader.Says(expected, entry.Name))) then
                reader.Wrong(node.At, "expect says nothing; write target, refused, certificate or attempts")
            if read.Target.IsSome && read.Refused.IsSome then
                reader.Wrong(node.At, "a client that is refused reaches no target: write target or refused, not both")
            read

    let private offer (reader: Reader) entries : AlpnName list =
        reader.Texts(entries, "alpn")
        |> Option.defaultValue []
        |> List.choose (fun text ->
            let name = AlpnName.tryOfText text |> ValueOption.toOption
            if name.IsNone then
                let at = match reader.Find(entries, "alpn") with Some node -> node.At | None -> Position.Start
                reader.Wrong(at, $"alpn: \"{text}\" is no protocol; a name has 1 to {AlpnName.maxLength} bytes")
            name)

    let private readCase (reader: Reader) (node: YamlNode) : ScenarioCase =
        let entries =
            reader.Entries(node, "a case", [ "name"; "proxy"; "client"; "header"; "sni"; "alpn"; "open"; "ticket"; "alive"; "down"; "expect" ])
        let name = reader.Text(entries, "name") |> Option.defaultValue $"case in line {node.At.Line}"
        if reader.Says(entries, "alive") && reader.Says(entries, "down") then
            reader.Wrong(node.At, "the targets that are not alive are down: write alive or down, not both")
        if not (reader.Says(entries, "client")) then reader.Wrong(node.At, "a case needs client, the address that connects")
        { At = node.At
          Name = name
          Proxy = reader.Text(entries, "proxy") |> Option.defaultValue ""
          Peer = reader.Read(entries, "client", Endpoint.Unknown, "an address such as 10.1.2.3, or \"unix\"", DescribedClient.tryPeer)
          Header = header reader entries
          ServerName =
            reader.Read(entries, "sni", ValueNone, "a server name", fun text ->
                match ServerName.tryCreate text with
                | Ok name -> ValueSome(ValueSome name)
                | Error _ -> ValueNone)
          AlpnOffer = offer reader entries
          OpenConnections = int (reader.Number(entries, "open", int64 Int32.MaxValue))
          Ticket = reader.Number(entries, "ticket", Int64.MaxValue)
          Alive = reader.Texts(entries, "alive")
          Down = reader.Texts(entries, "down") |> Option.defaultValue []
          Expect = expectation reader node entries }

    /// Reads a file of cases. Never throws; a file with errors has no cases worth running.
    [<CompiledName "Read">]
    let read (fileName: string) (bytes: ReadOnlyMemory<byte>) : ScenarioFile =
        let reader = Reader fileName
        let document = Yaml.read bytes.Span
        for found in document.Faults do
            reader.Wrong(found.At, YamlFault.describe found.What)
        match document.Root with
        | ValueNone -> { ConfigPath = ""; Cases = []; Errors = reader.Errors }
        | ValueSome root ->
            let entries = reader.Entries(root, "a file of cases", [ "config"; "cases" ])
            let config = reader.Text(entries, "config") |> Option.defaultValue ""
            let cases =
                match reader.Find(entries, "cases") with
                | Some { Value = YamlValue.Sequence items } when items.Length > 0 -> items |> Array.map (readCase reader) |> Array.toList
                | Some node ->
                    reader.Wrong(node.At, "cases is a list of cases, at least one")
                    []
                | None ->
                    match root.Value with
                    | YamlValue.Mapping _ -> reader.Wrong(root.At, "cases is missing; write a list of cases")
                    | _ -> ()
                    []
            { ConfigPath = config; Cases = cases; Errors = reader.Errors }
