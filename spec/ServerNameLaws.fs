module Bitflow.Spec.ServerNameLaws

open System
open Xunit
open Bitflow.Domain

let private name text = match ServerName.tryCreate text with Ok n -> n | Error e -> failwith $"%A{e}"
let private best names text = NameTable(names).BestMatch(ValueSome(name text))

/// The rule of `docs/configuration.md` read word for word, slowly.
let private naiveBest (names: string list) (asked: ServerName voption) =
    let fold (text: string) = (if text.EndsWith '.' then text.Substring(0, text.Length - 1) else text).ToLowerInvariant()
    let labels (text: string) = (fold text).Split '.' |> Array.toList
    let index predicate = names |> List.tryFindIndex predicate
    let covers (pattern: string) (asked: string) =
        pattern.StartsWith "*." && (match labels asked with first :: rest -> first <> "" && rest = labels (pattern.Substring 2) | [] -> false)
    let ofName =
        match asked with
        | ValueSome n when not n.IsLiteral ->
            index (fun p -> fold p = n.Text && not (p.StartsWith '*'))
            |> Option.orElseWith (fun () -> index (fun p -> covers p n.Text))
        | _ -> None
    ofName |> Option.orElseWith (fun () -> index (fun p -> p = "*"))

[<Fact>]
let ``a name has one form, whatever its case and its trailing dot`` () =
    Law.Holds(fun (WrittenName text) ->
        let bare = text.TrimEnd '.'
        name text = name (bare.ToUpperInvariant()) && name text = name (bare + ".") && (name text).Text = bare.ToLowerInvariant())

[<Fact>]
let ``the form of a name is itself a name of that form`` () =
    Law.Holds(fun (WrittenName text) -> name (name text).Text = name text)

[<Fact>]
let ``no bytes make the reading of a name throw, and what is read holds nothing but host name bytes`` () =
    Law.Holds(fun (HostileBytes bytes) ->
        match ServerName.tryOfBytes (ReadOnlySpan bytes) with
        | Ok n -> n.Text <> "" && n.Text |> String.forall (fun c -> Char.IsAsciiLetterLower c || Char.IsAsciiDigit c || c = '.' || c = '-' || c = '_')
        | Error _ -> true)

[<Fact>]
let ``every byte is judged by the one list of allowed bytes`` () =
    let allowed = set (Seq.map byte "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_")
    Law.HoldsFor([ 0uy .. 255uy ], fun b ->
        match ServerName.tryOfBytes (ReadOnlySpan [| byte 'a'; b; byte 'c' |]) with
        | Ok _ -> allowed.Contains b
        | Error fault -> fault = ServerNameFault.BadByte b && not (allowed.Contains b))

[<Fact>]
let ``a name of more than 255 bytes is none, nor is an empty one`` () =
    Law.HoldsFor(
        [ String('a', 255), None
          String('a', 256), Some(ServerNameFault.TooLong 256)
          "", Some ServerNameFault.Empty
          ".", Some ServerNameFault.Empty
          "a\000b", Some(ServerNameFault.BadByte 0uy)
          "[::1]", Some(ServerNameFault.BadByte(byte '['))
          "::1", Some(ServerNameFault.BadByte(byte ':')) ],
        fun (text, fault) ->
            match ServerName.tryCreate text with
            | Ok _ -> fault.IsNone
            | Error e -> Some e = fault)

[<Fact>]
let ``the best match is what the rule says, read slowly`` () =
    Law.Holds(fun (ConfiguredNames names) (WrittenName text) (asked: bool) ->
        let asked = if asked then ValueSome(name text) else ValueNone
        // A table and its reading agree on which names match at all; the naive rule has no other source of truth.
        NameTable(names).BestMatch asked = (match naiveBest names asked with Some i -> ValueSome i | None -> ValueNone))

[<Fact>]
let ``the exact name wins over the wildcard that covers it, and that over a target for everyone`` () =
    let names = [ "*"; "*.example.com"; "www.example.com"; "*.a.example.com"; "1.2.3.4"; "Other.Org." ]
    Law.HoldsFor(
        [ "www.example.com", 2; "WWW.Example.COM.", 2; "mail.example.com", 1; "x.a.example.com", 3; "a.example.com", 1
          "x.y.example.com", 0; "example.com", 0; "1.2.3.4", 0; "other.org", 5; ".example.com", 0; "..example.com", 0 ],
        fun (text, index) -> best names text = ValueSome index)
    Law.HoldsFor([ [ "*"; "*" ]; [ "a.example.com"; "a.example.com" ]; [ "*.example.com"; "*.example.com" ] ], fun twice -> best twice "a.example.com" = ValueSome 0)

[<Fact>]
let ``without a target for everyone, unknown names, literals and clients without a name match nothing`` () =
    let names = [ "example.com"; "*.example.com"; "1.2.3.4"; "*.2.3.4" ]
    Law.HoldsFor([ ValueSome "example.org"; ValueSome "1.2.3.4"; ValueSome "a.b.example.com"; ValueNone ], fun text ->
        NameTable(names).BestMatch(ValueOption.map name text) = ValueNone)

[<Fact>]
let ``names that no client can ask for are known as such`` () =
    Law.HoldsFor([ ""; "."; "1.2.3.4"; "a b"; "bücher.de"; "**"; "*a.com"; "*.*.com"; "www.*.com"; "::1"; "*." ], fun text ->
        (ServerName.tryPattern text).IsNone)
