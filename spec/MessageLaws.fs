/// What people read: every fault has words of its own, and what a peer or a file says of itself cannot steer a terminal.
module Bitflow.Spec.MessageLaws

open System
open System.Net
open System.Reflection
open System.Text
open FSharp.Reflection
open Xunit
open Bitflow.Domain

let private any = BindingFlags.Public ||| BindingFlags.NonPublic

/// Something of a type; of a union its first case.
let rec private something (t: Type) : obj =
    if t = typeof<string> then "something"
    elif t = typeof<bool> then false
    elif t = typeof<Duration> then Duration.OfSeconds 90L
    elif t = typeof<IpNetwork> then
        match IpNetwork.tryParse "10.0.0.0/8" with
        | Ok(struct (network, _)) -> network
        | Error e -> failwith $"%A{e}"
    elif t = typeof<IPAddress> then IPAddress.Loopback
    elif t.IsEnum then (Enum.GetValues t).GetValue 1
    elif t.IsPrimitive then Convert.ChangeType(7, t)
    elif FSharpType.IsUnion(t, any) then
        let case = FSharpType.GetUnionCases(t, any)[0]
        FSharpValue.MakeUnion(case, case.GetFields() |> Array.map (fun f -> something f.PropertyType), any)
    elif FSharpType.IsRecord(t, any) then FSharpValue.MakeRecord(t, FSharpType.GetRecordFields(t, any) |> Array.map (fun f -> something f.PropertyType), any)
    else failwith $"something of {t} is needed"

let private isFault (t: Type) = FSharpType.IsUnion(t, any) && (t.Name.EndsWith "Fault" || t.Name.EndsWith "Error" || t.Name = "HelloField")

/// Every way to take one of each list.
let rec private oneOfEach (choices: 'T list list) : 'T list list =
    match choices with
    | [] -> [ [] ]
    | first :: rest -> [ for one in first do for others in oneOfEach rest do one :: others ]

/// One of every case of a fault, with one of every case of each fault that it holds.
let rec private everyCase (t: Type) : obj list =
    [ for case in FSharpType.GetUnionCases(t, any) do
          let fields = case.GetFields() |> List.ofArray |> List.map (fun f -> if isFault f.PropertyType then everyCase f.PropertyType else [ something f.PropertyType ])
          for values in oneOfEach fields do
              FSharpValue.MakeUnion(case, Array.ofList values, any) ]

let private every<'T> = everyCase typeof<'T> |> List.map unbox<'T>

/// Every case of a fault, as it is told.
let private told<'T> (describe: 'T -> string) = typeof<'T>, every<'T> |> List.map describe

let private allTold =
    [ told<AddressError> Address.describe
      told<ServerNameFault> ServerName.describeFault
      told<HelloFault> HelloFault.describe
      told<ProxyHeaderFault> ProxyHeaderFault.describe
      told<SocksFault> SocksFault.describe
      told<ListenFault> ListenFault.describe
      told<ResolveFault> ResolveFault.describe
      told<AddressFault> AddressFault.describe
      told<DialFault> DialFault.describe
      told<TargetFault>(fun fault -> TargetFailure.describe { Since = DateTimeOffset.UnixEpoch; Began = Instant.Never; Fault = fault })
      told<DialWait> DialWait.describe
      told<SystemdSocketsError> SystemdSockets.describe
      told<NamedSocketError> SystemdSockets.describeNamed
      told<InheritedFault>(InheritedFault.describe 7)
      told<NotifyAddressError> SystemdNotify.describe
      told<SentryDsnError> SentryDsn.describe
      told<SocksProxyError> SocksProxySyntax.describe
      told<UsageFault> Usage.describe
      told<YamlFault> YamlFault.describe
      told<ConfigFault> ConfigFault.describe
      told<ConfigWarning> ConfigWarning.describe
      told<TlsAlert> TlsAlert.describe
      typeof<IoFault>, [ for fault in Enum.GetValues<IoFault>() -> IoFaults.describe fault ]
      typeof<CloseReason>, [ for cause in CloseReason.allCauses -> CloseReason.explain (CloseReason.make Who.Target Phase.Dial cause) ] ]

[<Fact>]
let ``every fault is told in words of its own`` () =
    Law.HoldsFor(allTold, fun (_, texts) ->
        match texts |> List.countBy id |> List.filter (fun (_, count) -> count > 1) with
        | [] -> texts |> List.forall (fun text -> text.Length > 5)
        | alike -> failwith $"%A{alike}")

[<Fact>]
let ``no fault is left untold`` () =
    /// Those that a fault holds are told with it.
    let rec within (t: Type) =
        t :: [ for case in FSharpType.GetUnionCases(t, any) do
                   for field in case.GetFields() do
                       if isFault field.PropertyType then yield! within field.PropertyType ]
    let toldOnes = allTold |> List.map fst |> List.filter isFault |> List.collect within |> System.Collections.Generic.HashSet
    // Of lines that are no records `replay` says how many there are.
    let counted = typeof<ConnectionRecordError>
    Law.HoldsFor([ for t in typeof<ConfigFault>.Assembly.GetTypes() do if isNull t.DeclaringType && isFault t then t ], fun t -> t = counted || toldOnes.Contains t)

/// What `Printable` was made of, as far as it was not cut.
let private unescaped (text: string) =
    let rec read (rest: char list) =
        match rest with
        | '\\' :: 'x' :: a :: b :: rest -> Convert.ToByte($"{a}{b}", 16) :: read rest
        | '\\' :: c :: rest -> byte c :: read rest
        | c :: rest -> byte c :: read rest
        | [] -> []
    read (List.ofSeq text)

[<Fact>]
let ``a peer's words are printed in one line of ASCII, from which its bytes can be told`` () =
    Law.Holds(fun (HostileBytes bytes) (more: byte array) ->
        let bytes = Array.append more bytes |> Array.truncate Printable.maxCharacters
        let text = Printable.ofBytes (ReadOnlySpan bytes)
        text |> Seq.forall (fun c -> c >= ' ' && c <= '~') && unescaped text = List.ofArray bytes)

[<Fact>]
let ``of a peer's words the first 128 bytes are printed, and that there were more`` () =
    Law.HoldsFor([ 0, false; 127, false; 128, false; 129, true; 100_000, true ], fun (length, isCut) ->
        let text = Printable.ofText (String('a', length))
        text = String('a', min length 128) + (if isCut then "…" else ""))

[<Fact>]
let ``letters stand as they are, and everything else is escaped`` () =
    Law.HoldsFor([ "a b~", "a b~"; "\"", "\\\""; "\\", "\\\\"; "\n", "\\x0a"; "\127", "\\x7f"; "é", "\\xc3\\xa9" ], fun (text, printed) -> Printable.ofText text = printed)

[<Fact>]
let ``a blank that only looks like one is shown for what it is`` () =
    Law.HoldsFor([ "a b", "a b"; "a\u00A0b", "a\\u{A0}b"; "\u2003", "\\u{2003}"; "\u200B", "\\u{200B}"; "é €", "é €" ], fun (text, shown) -> Shown.escaped text = shown)

[<Fact>]
let ``a message of 400 characters stands whole, of a longer one the middle is left out`` () =
    let text length = String.init length (fun i -> string (char (int 'a' + i % 26)))
    Law.HoldsFor([ 0; 1; 399; 400; 10_000 ], fun length -> Shown.escaped (text length) = text length)
    Law.HoldsFor([ 0; 1; 399; 400 ], fun length -> Shown.line (text length) = text length)
    Law.HoldsFor([ 401; 402; 5_000 ], fun length ->
        let shown, whole = Shown.line (text length), text length
        shown = whole.Substring(0, 250) + " … " + whole.Substring(length - 150))

[<Fact>]
let ``JSON for people is indented, in the order it was made, and ends its last line`` () =
    let json = Json.Object [ "b", Json.Array [ Json.Number 2m; Json.Boolean true ]; "a", Json.Text "é<" ]
    Law.HoldsFor([ "{\n  \"b\": [\n    2,\n    true\n  ],\n  \"a\": \"é<\"\n}\n" ], fun text -> Json.format json = text)

[<Fact>]
let ``JSON for programs is one line, in the order it was made, without a line end, and a text that is not there is empty`` () =
    let json = Json.Object [ "b", Json.Array [ Json.Null; Json.Number -2.5m; Json.Boolean false ]; "a", Json.Text "\"é<\n\ud800"; "c", Json.Text null ]
    Law.HoldsFor([ "{\"b\":[null,-2.5,false],\"a\":\"\\\"é<\\n\uFFFD\",\"c\":\"\"}" ], fun text -> Encoding.UTF8.GetString(Json.bytes json) = text)

[<Fact>]
let ``an end of a connection is written as its address is read`` () =
    Law.HoldsFor(
        [ Endpoint.OfIp(IPAddress.Parse "192.0.2.1", 80), "192.0.2.1:80"; Endpoint.OfIp(IPAddress.Parse "2001:db8::1", 80), "[2001:db8::1]:80"
          Endpoint.Unix "", "unix"; Endpoint.Unix "/run/x", "unix:/run/x"; Endpoint.Unix "@x", "unix:@x"; Endpoint.Unknown, "unknown" ],
        fun (endpoint, text) -> string endpoint = text
    )

[<Fact>]
let ``whatever a Unix client calls itself, its end is written in one line of ASCII`` () =
    Law.HoldsFor(
        [ "@abs\nFAKE LINE", "unix:@abs\\x0aFAKE LINE"; "/tmp/\x1b[31m", "unix:/tmp/\\x1b[31m"; "/tmp/\uFFFD", "unix:/tmp/\\xef\\xbf\\xbd" ],
        fun (path, text) -> string (Endpoint.Unix path) = text)
    Law.Holds(fun (HostileText path) -> string (Endpoint.Unix path) |> Seq.forall (fun c -> c >= ' ' && c <= '~' || c = '…'))

[<Fact>]
let ``ends that are written differently are different`` () =
    let ends = [ Sample.ip "192.0.2.1"; Sample.ip "2001:db8::1"; Endpoint.OfIp(IPAddress.Parse "192.0.2.1", 1); Endpoint.Unix ""; Endpoint.Unix "/x"; Endpoint.Unknown ]
    Law.HoldsFor(List.allPairs ends ends, fun (a, b) -> a.Equals b = (string a = string b) && not (a.Equals(string a)) && (not (a.Equals b) || hash a = hash b))
