module Bitflow.Spec.AlpnLaws

open Xunit
open Bitflow.Domain

let private protocol text = match AlpnName.tryOfText text with ValueSome p -> p | ValueNone -> failwith text
let private protocols = List.map protocol

[<Fact>]
let ``the listener's order of protocols decides, never the client's`` () =
    Law.HoldsFor(
        [ [ "h2"; "http/1.1" ], [ "http/1.1"; "h2" ], AlpnChoice.Chosen(protocol "h2")
          [ "http/1.1"; "h2" ], [ "h2"; "http/1.1" ], AlpnChoice.Chosen(protocol "http/1.1")
          [ "h2" ], [ "\n\n"; "h2" ], AlpnChoice.Chosen(protocol "h2")
          [ "h2" ], [ "H2"; "http/1.1" ], AlpnChoice.Refused
          [ "h2" ], [], AlpnChoice.Absent
          [], [ "h2" ], AlpnChoice.Absent ],
        fun (preferred, offered, choice) -> Alpn.choose (protocols preferred) (protocols offered) = choice)

[<Fact>]
let ``what is chosen was offered and is the first such of the listener's`` () =
    Law.Holds(fun (hello: ValidHello) (preferred: int list) ->
        let offered = hello.Protocols |> List.choose (fun bytes -> match AlpnName.tryOfBytes (System.ReadOnlySpan bytes) with ValueSome n -> Some n | ValueNone -> None)
        let preferred = protocol "h2" :: (preferred |> List.map (fun n -> offered |> List.tryItem (abs (n % 10)) |> Option.defaultValue (protocol "x")))
        match Alpn.choose preferred offered with
        | AlpnChoice.Chosen p -> List.contains p offered && List.find (fun n -> List.contains n offered) preferred = p
        | AlpnChoice.Absent -> offered.IsEmpty
        | AlpnChoice.Refused -> not offered.IsEmpty && not (preferred |> List.exists (fun n -> List.contains n offered)))

[<Fact>]
let ``a protocol's name is 1 to 255 bytes, and is shown without control characters`` () =
    Law.HoldsFor([ "", None; "h2", Some "h2"; System.String('a', 255), Some(System.String('a', 255)); System.String('a', 256), None; "a\nb", Some "a\\x0ab"; "a\127~", Some "a\\x7f~" ], fun (text, shown) ->
        (AlpnName.tryOfText text |> ValueOption.map string |> ValueOption.toOption) = shown)

[<Fact>]
let ``a protocol's name is known again from how it is shown, whatever its bytes`` () =
    Law.Holds(fun (bytes: byte array) ->
        match AlpnName.tryOfBytes (System.ReadOnlySpan bytes) with
        | ValueSome name -> AlpnName.tryOfShown (string name) = ValueSome name
        | ValueNone -> bytes.Length = 0 || bytes.Length > AlpnName.maxLength)
    Law.HoldsFor([ ""; "and 7 more"; "é"; "\\"; "\\x4"; "\\xzz"; "\\y41"; "a b"; System.String('a', 256) ], fun text -> (AlpnName.tryOfShown text).IsNone)

[<Fact>]
let ``what is told of an offer is short however long the offer is, and says how many names it leaves out`` () =
    let many n text = List.replicate n (protocol text)
    let long (c: char) = protocol (System.String(c, 255))
    Law.HoldsFor(
        [ many 2 "h2", many 2 "h2", None; many 16 "h2", many 16 "h2", None; many 17 "h2", many 16 "h2", Some "and 1 more"
          many 30_000 "\000", many 16 "\000", Some "and 29984 more"
          [ long 'a'; long 'b'; protocol "h2" ], [ long 'a'; long 'b'; protocol "h2" ], None
          [ long 'a'; long 'b'; protocol "h2"; protocol "x" ], [ long 'a'; long 'b'; protocol "h2" ], Some "and 1 more" ],
        fun (offer, told, rest) ->
            Alpn.shown offer = (told |> List.map string) @ Option.toList rest && Alpn.isCut (Alpn.shown offer) = rest.IsSome)
