namespace Bitflow.Domain

open System
open System.Collections.Generic
open System.Text

/// Everything that is found while a file is read.
[<Sealed>]
type internal Findings() =
    let errors = ResizeArray<Found<ConfigFault>>()
    let warnings = ResizeArray<Found<ConfigWarning>>()
    member _.Errors = errors
    member _.Warnings = warnings
    member _.Wrong(at, path, fault) = errors.Add { At = at; Path = path; What = fault }
    member _.Doubtful(at, path, warning) = warnings.Add { At = at; Path = path; What = warning }

/// A value of the file, the path that led to it, and where to report what is wrong with it.
[<Struct; NoComparison; NoEquality>]
type internal Site =
    { Node: YamlNode
      Path: YamlPath
      Findings: Findings }

    member site.Fail fault = site.Findings.Wrong(site.Node.At, site.Path, fault)
    member site.Warn warning = site.Findings.Doubtful(site.Node.At, site.Path, warning)

/// What is said of one key wherever keys are listed: messages, the schema, the documentation.
[<NoComparison>]
type Key =
    { Name: string
      /// How the value is written, for people.
      Form: string
      /// How the value is written, for editors.
      Schema: Json
      /// What holds when the key is left out; for a required key, that this is an error.
      IfOmitted: string
      Doc: string
      IsRequired: bool
      /// Not a key of the reference.
      IsExtension: bool
      /// Never quoted.
      IsSecret: bool
      IsList: bool
      /// The keys of a mapping, or of each mapping in a list.
      Inner: Key list }

/// One kind of value: how it is written, described and read. Reading always gives a value: where the written one is
/// not usable the fault is noted and a stand-in goes on in its place, so that one reading finds every fault. A
/// stand-in is chosen so that no rule between keys complains of it.
[<NoComparison; NoEquality>]
type internal Kind<'T> =
    { /// For tables: `duration`.
      Form: string
      /// For sentences: `a duration`.
      Noun: string
      /// As it would be written behind its key.
      Example: string
      Schema: Json
      StandIn: 'T
      /// As in the reference, whose texts cannot be told from omitted ones when they are empty.
      EmptyIsOmitted: bool
      IsSecret: bool
      IsList: bool
      Inner: Key list
      Read: Site -> 'T }

/// The keys of a mapping and how its value is made of theirs.
[<NoComparison; NoEquality>]
type internal Fields<'T> =
    { Keys: Key list
      /// Names that are refused in words of their own.
      Retired: string list
      Make: Site -> YamlEntry array -> 'T }

/// `mapping { let! a = … and! b = … return … }`: the keys are known without reading anything.
type internal MappingBuilder() =
    member _.MergeSources(a: Fields<'A>, b: Fields<'B>) : Fields<'A * 'B> =
        { Keys = a.Keys @ b.Keys
          Retired = a.Retired @ b.Retired
          Make = fun site entries -> a.Make site entries, b.Make site entries }

    /// Pairs alone would nest as deep as a mapping has keys: more than eleven levels are left to be compiled at every start.
    member _.MergeSources3(a: Fields<'A>, b: Fields<'B>, c: Fields<'C>) : Fields<'A * 'B * 'C> =
        { Keys = a.Keys @ b.Keys @ c.Keys
          Retired = a.Retired @ b.Retired @ c.Retired
          Make = fun site entries -> a.Make site entries, b.Make site entries, c.Make site entries }

    member _.BindReturn(fields: Fields<'A>, make: 'A -> 'B) : Fields<'B> =
        { Keys = fields.Keys
          Retired = fields.Retired
          Make = fun site entries -> make (fields.Make site entries) }

/// The kinds of values.
[<RequireQualifiedAccess>]
module internal Kind =
    let shapeOf node =
        match node.Value with
        | YamlValue.Null -> "nothing stands"
        | YamlValue.Scalar _ -> "a plain value stands"
        | YamlValue.Sequence _ -> "a list stands"
        | YamlValue.Mapping _ -> "a mapping stands"

    let private wrongShape (kind: Kind<'T>) (site: Site) =
        site.Fail(ConfigFault.WrongShape(shapeOf site.Node, kind.Noun, kind.Example))
        kind.StandIn

    /// Text of one line. A NUL in a path, or an escape sequence in a name that is logged, is never meant.
    let private unprintable (text: string) =
        text |> Seq.tryFind (fun c -> Char.IsControl c || c = '\u2028' || c = '\u2029')

    let schemaOf (names: (string * Json) list) = Json.Object names
    let private textSchema = schemaOf [ "type", Json.Text "string" ]

    let private pattern (regex: string) =
        schemaOf [ "type", Json.Text "string"; "pattern", Json.Text regex ]

    let private enumeration (values: Json list) = schemaOf [ "enum", Json.Array values ]

    /// A kind that is one scalar, decoded from its text and whether that was quoted.
    let private scalar form noun example schema standIn (decode: string -> bool -> Result<'T, ConfigFault>) : Kind<'T> =
        let kind =
            { Form = form
              Noun = noun
              Example = example
              Schema = schema
              StandIn = standIn
              EmptyIsOmitted = false
              IsSecret = false
              IsList = false
              Inner = []
              Read = fun _ -> standIn }
        let read (site: Site) =
            match site.Node.Value with
            | YamlValue.Scalar(text, quoted) ->
                let decoded =
                    match unprintable text with
                    | Some c -> Error(ConfigFault.Unprintable(int c, false))
                    | None -> decode text quoted
                match decoded with
                | Ok value -> value
                | Error fault ->
                    site.Fail fault
                    standIn
            | _ -> wrongShape kind site
        { kind with Read = read }

    /// The same kind for the file, another value for the configuration.
    let private refine (f: Site -> 'T -> 'U) standIn (kind: Kind<'T>) : Kind<'U> =
        { Form = kind.Form
          Noun = kind.Noun
          Example = kind.Example
          Schema = kind.Schema
          StandIn = standIn
          EmptyIsOmitted = kind.EmptyIsOmitted
          IsSecret = kind.IsSecret
          IsList = kind.IsList
          Inner = kind.Inner
          Read = fun site -> f site (kind.Read site) }

    let map f (kind: Kind<'T>) : Kind<'U> = refine (fun _ value -> f value) (f kind.StandIn) kind

    let some kind = map Some kind

    let private emptyIsOmitted (kind: Kind<'T>) = { kind with EmptyIsOmitted = true }

    let private notEmpty noun example decode (text: string) quoted =
        if text = "" then Error(ConfigFault.Empty(noun, example)) else decode text quoted

    /// Numbers and booleans are text too where text belongs.
    let private textOrNumber = Json.Array [ Json.Text "string"; Json.Text "number"; Json.Text "boolean" ]

    /// Any text.
    let text form noun example standIn : Kind<string> =
        scalar form noun example (schemaOf [ "type", textOrNumber ]) standIn
            (notEmpty noun example (fun text _ -> Ok text))
        |> emptyIsOmitted

    /// A name that cannot be read is no other one's double.
    let name = text "text" "a name" "web" ""
    let path = text "path" "a path" "/etc/bitflow/tls.pem" "stand-in"

    /// One of several words.
    let choice (words: (string * 'T) list) : Kind<'T> =
        let names = List.map fst words
        let form = names |> List.map (fun name -> $"`{name}`") |> String.concat " "
        // To an editor `1.2` is a number where it is not quoted. An empty text is as good as no key.
        let schema =
            enumeration [
                for name in "" :: names do
                    Json.Text name
                    match Decimal.TryParse(name, Globalization.CultureInfo.InvariantCulture) with
                    | true, number -> Json.Number number
                    | _ -> ()
            ]
        scalar form $"one of {ConfigFault.choices names}" (List.head names) schema (snd (List.head words)) (fun text _ ->
            match words |> List.tryFind (fun (name, _) -> name = text) with
            | Some(_, value) -> Ok value
            | None -> Error(ConfigFault.NotAChoice(text, names)))
        |> emptyIsOmitted

    /// YAML 1.1's booleans that 1.2 made words: editors, which speak 1.2, see text.
    let private trueWords = [ "yes"; "Yes"; "YES"; "on"; "On"; "ON"; "y"; "Y" ]
    let private falseWords = [ "no"; "No"; "NO"; "off"; "Off"; "OFF"; "n"; "N" ]

    let boolean : Kind<bool> =
        let schema = enumeration (Json.Boolean true :: Json.Boolean false :: (trueWords @ falseWords |> List.map Json.Text))
        scalar "`true` or `false`" "a boolean" "true" schema false (fun text quoted ->
            match text with
            | "true" | "True" | "TRUE" when not quoted -> Ok true
            | "false" | "False" | "FALSE" when not quoted -> Ok false
            | word when not quoted && List.contains word trueWords -> Ok true
            | word when not quoted && List.contains word falseWords -> Ok false
            | _ -> Error(ConfigFault.NotBoolean text))

    /// Decimal digits alone: `017`, `0x1F` and `1_000` are different numbers to different readers of YAML.
    let integer least most : Kind<int> =
        let form = if most = Int32.MaxValue then $"integer ≥ {least}" else $"integer, {least} to {most}"
        let schema = schemaOf [ "type", Json.Text "integer"; "minimum", Json.Number(decimal least); "maximum", Json.Number(decimal most) ]
        scalar form "a whole number" (string<int> (least + 3)) schema least (fun text quoted ->
            let digits = text.TrimStart('-', '+')
            let isDecimal =
                digits <> ""
                && text.Length - digits.Length <= 1
                && String.forall Char.IsAsciiDigit digits
                && (digits.Length = 1 || digits[0] <> '0')
            if quoted || not isDecimal then
                Error(ConfigFault.NotInteger(text, quoted))
            else
                match Int32.TryParse text with
                | true, number when number >= least && number <= most -> Ok number
                | _ -> Error(ConfigFault.OutOfRange(text, least, most)))

    let private durationPattern sign = $@"^{sign}(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$"

    /// Nothing, with a sign before it, is nothing.
    let private noDurationPattern = @"^-(0|((0+(\.0*)?|\.0+)(ns|us|µs|μs|ms|s|m|h))+)$"

    let private durationText (text: string) =
        Duration.tryParse text |> Result.mapError (fun error -> ConfigFault.Duration(text, error))

    /// A duration of zero (no limit) or more.
    let duration : Kind<Duration> =
        let schema = schemaOf [ "anyOf", Json.Array [ pattern (durationPattern @"\+?"); pattern noDurationPattern; schemaOf [ "const", Json.Number 0m ] ] ]
        scalar "duration" "a duration" "30s" schema Duration.Zero (fun text _ ->
            match durationText text with
            | Ok value when value.IsNegative -> Error(ConfigFault.NegativeDuration text)
            | decoded -> decoded)

    /// The longest idle time and interval that Linux takes (MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL), in seconds.
    let maxKeepAliveSeconds = 32767

    /// A duration of which a negative one, and a bare `-1`, means off.
    let keepAlive : Kind<KeepAlive> =
        let schema =
            schemaOf [ "anyOf", Json.Array [ pattern (durationPattern "[-+]?"); enumeration [ Json.Number 0m; Json.Number -1m; Json.Text "-1" ] ] ]
        let whenOmitted = KeepAlive.Every Defaults.keepAliveSeconds
        let ofDuration (site: Site) (wanted: Duration) =
            if wanted.IsNegative then
                KeepAlive.Off
            elif wanted.IsZero then
                whenOmitted
            else
                let seconds = (wanted.TotalNanoseconds - 1L) / 1_000_000_000L + 1L
                if seconds > int64 maxKeepAliveSeconds then site.Warn(ConfigWarning.KeepAliveHeld maxKeepAliveSeconds)
                KeepAlive.Every(int (min seconds (int64 maxKeepAliveSeconds)))
        scalar "duration; negative (`-1`): off" "a duration" "15s" schema Duration.Zero (fun text _ ->
            if text = "-1" then Ok(Duration.OfSeconds -1L) else durationText text)
        |> refine ofDuration whenOmitted

    /// Stands in for an address that cannot be read: a name, which no rule about literals, paths or descriptors meets.
    // Of port 0, so that it overlaps with no listener, itself among them.
    let private someAddress = Address.Tcp(TcpFamily.Either, Host.Name "stand-in", 0)

    let private addressKind form example decode : Kind<Address> =
        let kind = scalar form "an address" example textSchema someAddress (fun text _ -> decode text)
        let read (site: Site) =
            match site.Node.Value with
            | YamlValue.Sequence _ ->
                site.Fail(ConfigFault.Yaml YamlFault.UnquotedIpv6)
                someAddress
            | _ -> kind.Read site
        { kind with Read = read }

    let private addressText text = Address.tryParse text |> Result.mapError ConfigFault.Address

    let listenerAddress = addressKind "address" "127.0.0.1:8080" addressText

    let targetAddress =
        addressKind "address" "127.0.0.1:8081" (Address.tryParseTarget >> Result.mapError ConfigFault.Address)

    let adminAddress =
        addressKind "address (TCP or Unix)" "127.0.0.1:9000" (fun text ->
            match addressText text with
            | Ok(Address.Descriptor _ | Address.NamedDescriptor _)
            | Error(ConfigFault.Address(AddressError.BadDescriptor _)) -> Error ConfigFault.DescriptorForAdmin
            | decoded -> decoded)
        |> emptyIsOmitted

    /// A network, or a single address.
    let network : Kind<IpNetwork> =
        let some = let struct (network, _) = IpNetwork.create Net.IPAddress.Loopback 32 in network
        let warned (site: Site) (struct (network, hadHostBits)) =
            match site.Node.Value with
            | YamlValue.Scalar(text, _) when hadHostBits -> site.Warn(ConfigWarning.HostBits(text, network))
            | _ -> ()
            network
        scalar "CIDR or single IP" "a network" "10.0.0.0/8" textSchema (struct (some, false)) (fun text _ ->
            IpNetwork.tryParse text |> Result.mapError ConfigFault.Network)
        |> refine warned some

    let protocolName : Kind<string> =
        scalar "ALPN name" "an ALPN name" "h2" (schemaOf [ "type", textOrNumber; "minLength", Json.Number 1m; "maxLength", Json.Number 255m ]) ""
            (notEmpty "an ALPN name" "h2" (fun text _ ->
                match Encoding.UTF8.GetByteCount text with
                | bytes when bytes > 255 -> Error(ConfigFault.ProtocolNameTooLong bytes)
                | _ -> Ok text))

    let hostName : Kind<string> =
        scalar "host name" "a host name" "db.example.com" textSchema "stand-in" (fun text _ ->
            if Address.isHostName text || (IpAddress.tryParse text).IsSome then Ok text
            else Error(ConfigFault.NotAHostName text))
        |> emptyIsOmitted

    /// `host:port`, `udp://host:port` or `unix:///path`. The reference's other forms are refused by their names.
    let metricsAddress : Kind<MetricsAddress> =
        let decode (text: string) _ =
            let after (prefix: string) = text.Substring prefix.Length
            let starts (prefix: string) = text.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)
            let udp (hostAndPort: string) =
                match Address.tryParse ("tcp:" + hostAndPort) with
                | Ok(Address.Tcp(_, _, 0)) -> Error(ConfigFault.Address AddressError.PortZero)
                // Without a host the reference meant the machine itself.
                | Ok(Address.Tcp(_, Host.Any, port)) -> Ok(MetricsAddress.Udp("127.0.0.1", port))
                | Ok(Address.Tcp(_, Host.Literal host, port)) -> Ok(MetricsAddress.Udp(string host, port))
                | Ok(Address.Tcp(_, Host.Name host, port)) -> Ok(MetricsAddress.Udp(host, port))
                // What these would advise is no address of metrics.
                | Error(AddressError.Empty | AddressError.UnknownScheme _)
                | Ok _ -> Error(ConfigFault.MetricsAddress text)
                | Error error -> Error(ConfigFault.Address error)
            if text.Contains ',' then
                Error ConfigFault.MetricsList
            elif starts "udp://" then
                udp (after "udp://")
            elif starts "unix://" then
                match Address.tryParse ("unix:" + after "unix://") with
                | Ok(Address.UnixPath path) -> Ok(MetricsAddress.UnixDatagram path)
                | Error(AddressError.PathTooLong _ as error) -> Error(ConfigFault.Address error)
                | _ -> Error(ConfigFault.MetricsAddress text)
            else
                match text.IndexOf("://", StringComparison.Ordinal) with
                | scheme when scheme > 0 -> Error(ConfigFault.MetricsScheme(text.Substring(0, scheme)))
                | _ when starts "unix:" || starts "udp:" -> Error(ConfigFault.MetricsAddress text)
                | _ -> udp text
        scalar "`host:port`, `udp://host:port` or `unix:///path` (datagrams)" "an address" "127.0.0.1:8125" textSchema (MetricsAddress.Udp("", 0)) decode
        |> emptyIsOmitted

    /// A kind whose values stand in no message.
    let private secret (kind: Kind<'T>) =
        let read (site: Site) =
            let findings = Findings()
            let value = kind.Read { site with Findings = findings }
            for found in findings.Errors do
                site.Fail(
                    match found.What with
                    | ConfigFault.Unprintable(code, _) -> ConfigFault.Unprintable(code, true)
                    | fault -> fault
                )
            value
        { kind with IsSecret = true; Read = read }

    let socksProxy : Kind<SocksProxy> =
        let form = "`[tcp:][user:password@]host:port` or `unix:/path`"
        scalar form "a SOCKS5 proxy" "127.0.0.1:1080" textSchema { Address = someAddress; Credentials = None } (fun text _ ->
            SocksProxySyntax.tryParse text |> Result.mapError ConfigFault.SocksProxy)
        |> emptyIsOmitted
        |> secret

    let sentryDsn : Kind<string> =
        scalar "Sentry DSN" "a Sentry DSN" "https://KEY@HOST/PROJECT" textSchema "" (fun text _ ->
            Sentry.parseDsn text |> Result.map (fun _ -> text) |> Result.mapError ConfigFault.SentryDsn)
        |> emptyIsOmitted
        |> secret

    /// A list; one that is left out is empty.
    let private listOf least (kind: Kind<'T>) : Kind<'T list> =
        let schema = [ "type", Json.Text "array"; "items", kind.Schema ]
        let schema = if least > 0 then schema @ [ "minItems", Json.Number(decimal least) ] else schema
        let list =
            { Form = $"list: {kind.Form}"
              Noun = "a list"
              Example = $"[{kind.Example}]"
              Schema = schemaOf schema
              StandIn = []
              EmptyIsOmitted = false
              IsSecret = kind.IsSecret
              IsList = true
              Inner = kind.Inner
              Read = fun _ -> [] }
        let read (site: Site) =
            match site.Node.Value with
            | YamlValue.Sequence items ->
                if items.Length < least then site.Fail(ConfigFault.NoEntry kind.Noun)
                [ for i in 0 .. items.Length - 1 do
                      let item = { site with Node = items[i]; Path = site.Path / i }
                      match items[i].Value with
                      | YamlValue.Null ->
                          item.Fail(ConfigFault.EmptyEntry(kind.Noun, kind.Example))
                          kind.StandIn
                      | _ -> kind.Read item ]
            | _ -> wrongShape list site
        { list with Read = read }

    let list kind = listOf 0 kind
    let nonEmptyList kind = listOf 1 kind

/// Keys, and the mappings that are made of them.
[<AutoOpen>]
module internal Fields =
    let mapping = MappingBuilder()

    let private emptyMapping = { At = Position.Start; Value = YamlValue.Mapping [||] }

    /// What a mapping comes to when nothing is in it.
    let ofNothing (fields: Fields<'T>) =
        fields.Make { Node = emptyMapping; Path = YamlPath.Root; Findings = Findings() } [||]

    let private schema (isFree: bool) (keys: Key list) =
        let required = keys |> List.filter _.IsRequired |> List.map (fun key -> Json.Text key.Name)
        let withDoc (key: Key) =
            match key.Schema with
            | Json.Object members -> key.Name, Json.Object([ "description", Json.Text $"{key.Doc} If omitted: {key.IfOmitted}." ] @ members)
            | schema -> key.Name, schema
        Kind.schemaOf [
            "type", Json.Text "object"
            "properties", Json.Object(List.map withDoc keys)
            if isFree then "patternProperties", Json.Object [ "^x-", Json.Object [] ]
            if not required.IsEmpty then "required", Json.Array required
            "additionalProperties", Json.Boolean false
        ]

    /// A mapping of known keys; `isFree` says which other keys are let pass.
    let private recordWith (isFree: string -> bool) noun (fields: Fields<'T>) : Kind<'T> =
        let known = fields.Keys |> List.map _.Name
        let names = set (known @ fields.Retired)
        let standIn = ofNothing fields
        let example = match known with first :: _ -> $"{{{first}: …}}" | [] -> "{}"
        { Form = "mapping"
          Noun = noun
          Example = example
          Schema = schema (isFree "x-") fields.Keys
          StandIn = standIn
          EmptyIsOmitted = false
          IsSecret = false
          IsList = false
          Inner = fields.Keys
          Read =
            fun site ->
                match site.Node.Value with
                | YamlValue.Mapping entries ->
                    let value = fields.Make site entries
                    for entry in entries do
                        if not (names.Contains entry.Name || isFree entry.Name) then
                            let fault = ConfigFault.UnknownKey(entry.Name, known)
                            site.Findings.Wrong(entry.NameAt, site.Path / entry.Name, fault)
                    value
                | _ ->
                    site.Fail(ConfigFault.WrongShape(Kind.shapeOf site.Node, $"a mapping ({noun})", example))
                    standIn }

    let record noun fields = recordWith (fun _ -> false) noun fields

    /// The file as a whole: keys that begin with `x-` are the writer's own, a home for anchors.
    let freeRecord noun fields =
        recordWith (fun name -> name.StartsWith("x-", StringComparison.Ordinal)) noun fields

    let private keyOf name (kind: Kind<'T>) ifOmitted doc : Key =
        { Name = name
          Form = kind.Form
          Schema = kind.Schema
          IfOmitted = ifOmitted
          Doc = doc
          IsRequired = false
          IsExtension = false
          IsSecret = kind.IsSecret
          IsList = kind.IsList
          Inner = kind.Inner }

    let private find name (entries: YamlEntry array) =
        entries |> Array.tryFind (fun entry -> entry.Name = name)

    /// A key that must be there. Nothing, or an empty text, is as good as no key.
    let required name (kind: Kind<'T>) doc : Fields<'T> =
        { Keys = [ { keyOf name kind "error" doc with IsRequired = true } ]
          Retired = []
          Make =
            fun site entries ->
                let missing node =
                    { site with Node = node; Path = site.Path / name }.Fail(ConfigFault.Missing(name, kind.Example))
                    kind.StandIn
                match find name entries with
                | None -> missing site.Node
                | Some { Node = { Value = (YamlValue.Null | YamlValue.Scalar("", _)) } as node } -> missing node
                | Some entry -> kind.Read { site with Node = entry.Node; Path = site.Path / name } }

    /// A key with a value for when it is omitted, as a value and in words.
    let optional name (kind: Kind<'T>) (omitted: 'T, inWords: string) doc : Fields<'T> =
        { Keys = [ keyOf name kind inWords doc ]
          Retired = []
          Make =
            fun site entries ->
                match find name entries with
                | None -> omitted
                | Some entry ->
                    let site = { site with Node = entry.Node; Path = site.Path / name }
                    match entry.Node.Value with
                    | YamlValue.Null ->
                        site.Warn ConfigWarning.Null
                        omitted
                    | YamlValue.Scalar("", _) when kind.EmptyIsOmitted -> omitted
                    | _ -> kind.Read site }

    /// A key that the reference does not know.
    let extension name kind omitted doc : Fields<'T> =
        let field = optional name kind omitted doc
        { field with Keys = field.Keys |> List.map (fun key -> { key with IsExtension = true }) }

    /// A mapping whose keys are all optional, and so is the mapping.
    let section name noun (fields: Fields<'T>) doc : Fields<'T> =
        optional name (record noun fields) (ofNothing fields, "the defaults of its keys") doc

    /// A key of the reference that has no place here: known by its name, in order to say so. Where it says nothing there is nothing to refuse:
    /// the reference's own files write an empty text for none.
    let retired name remedy : Fields<unit> =
        { Keys = []
          Retired = [ name ]
          Make =
            fun site entries ->
                match find name entries with
                | None
                | Some { Node = { Value = YamlValue.Scalar("", _) } } -> ()
                | Some { Node = { Value = YamlValue.Null } as node } -> { site with Node = node; Path = site.Path / name }.Warn ConfigWarning.Null
                | Some entry ->
                    let fault = ConfigFault.Retired remedy
                    site.Findings.Wrong(entry.NameAt, site.Path / name, fault) }
