module Bitflow.Spec.Socks5Laws

open System
open System.Net
open System.Text
open Xunit
open Bitflow.Domain

let private hex (text: string) = Convert.FromHexString(text.Replace(" ", ""))

/// How a whole exchange ends, and all that we said in it.
type private Outcome =
    { End: Result<int, SocksFault>
      Said: byte[] }

/// Plays an exchange in which the proxy's bytes arrive in these cuts. `exact` reads no more than the machine says is
/// missing, as one does who may not read the target's bytes; otherwise whatever arrives is handed over.
let private play exact (cuts: Cuts) credentials destination (answers: byte[]) : Outcome =
    let said = ResizeArray<byte>()
    let rec go index (state: Socks5) from until (step: SocksStep) =
        match step with
        | SocksStep.Send(bytes, next, consumed) ->
            said.AddRange bytes
            let from = from + consumed
            go index next from until (Socks5Exchange.feed next (ReadOnlySpan(answers, from, until - from)))
        | SocksStep.Connected consumed ->
            if exact && until > from + consumed then failwith "bytes of the target's were read"
            Ok(from + consumed)
        | SocksStep.Rejected fault -> Error fault
        | SocksStep.NeedMore atLeast ->
            if until = answers.Length then
                Error(Socks5Exchange.ended state)
            else
                let wanted = if exact then min atLeast (cuts.Size index) else cuts.Size index
                let until = min answers.Length (until + wanted)
                go (index + 1) state from until (Socks5Exchange.feed state (ReadOnlySpan(answers, from, until - from)))
    let result =
        match Socks5Exchange.start credentials destination with
        | SocksStep.Send(greeting, state, 0) ->
            said.AddRange greeting
            go 0 state 0 0 (Socks5Exchange.feed state ReadOnlySpan.Empty)
        | SocksStep.Rejected fault -> Error fault
        | _ -> failwith "an exchange begins with something to say"
    { End = result; Said = said.ToArray() }

let private whole = Cuts [ 1_000_000 ]
let private user = Some { User = Sample.socksWord "user"B; Password = Sample.socksWord "pass"B }
let private name = SocksDestination.Name(Sample.dialName "example.com", 443)
let private fault credentials answers = (play true whole credentials name (hex answers)).End

[<Fact>]
let ``a willing proxy connects us, and exactly its reply is read: the rest is the target's`` () =
    Law.Holds(fun (proxy: WillingSocksProxy) (cuts: Cuts) (HostileBytes banner) ->
        let answers = Array.append proxy.Answers banner
        let exact = play true cuts proxy.Credentials proxy.Destination answers
        exact.End = Ok proxy.Answers.Length)

[<Fact>]
let ``however the answers arrive, the exchange says and ends the same`` () =
    Law.Holds(fun (AnySocksProxy proxy) (cuts: Cuts) (HostileBytes banner) ->
        let answers = Array.append proxy.Answers banner
        let run exact cuts = play exact cuts proxy.Credentials proxy.Destination answers
        let expected = run false whole
        run true cuts = expected && run false cuts = expected && run true (Cuts [ 1 ]) = expected)

[<Fact>]
let ``no bytes of a proxy make the exchange throw`` () =
    Law.Holds(fun (HostileBytes answers) (cuts: Cuts) (credentials: bool) ->
        match (play false cuts (if credentials then user else None) name answers).End with
        | Ok consumed -> consumed <= answers.Length
        | Error fault -> (SocksFault.describe fault).Length > 20)

[<Fact>]
let ``an end of stream anywhere before the last byte is told, with what was waited for`` () =
    Law.Holds(fun (proxy: WillingSocksProxy) ->
        seq { 0 .. proxy.Answers.Length - 1 }
        |> Seq.forall (fun n ->
            match (play true whole proxy.Credentials proxy.Destination (Array.truncate n proxy.Answers)).End with
            | Error(SocksFault.Ended during) -> during.StartsWith "the "
            | _ -> false))

[<Fact>]
let ``no credentials are sent, offered or printed where there are none or nobody asked`` () =
    Law.Holds(fun (proxy: WillingSocksProxy) ->
        let said = (play true whole proxy.Credentials proxy.Destination proxy.Answers).Said
        let asked = proxy.Answers[1] = 2uy
        match proxy.Credentials with
        | None -> said[..2] = [| 5uy; 1uy; 0uy |]
        | Some c ->
            let authentication = Array.concat [ [| 1uy; byte c.User.Bytes.Length |]; c.User.Bytes; [| byte c.Password.Bytes.Length |]; c.Password.Bytes ]
            said[..3] = [| 5uy; 2uy; 0uy; 2uy |]
            && (if asked then said[4 .. 3 + authentication.Length] = authentication else said[4..6] = [| 5uy; 1uy; 0uy |]))

[<Fact>]
let ``the state of an exchange prints nothing of its credentials`` () =
    let secret = Some { User = Sample.socksWord "u5er-name"B; Password = Sample.socksWord "p4ss-word"B }
    match Socks5Exchange.start secret name with
    | SocksStep.Send(_, state, _) ->
        let printed = $"{state} %A{state} %A{secret} {secret} %A{secret.Value.User} {secret.Value.Password}"
        for word in [ "u5er"; "p4ss"; string (int 'u'B); "117uy" ] do
            Assert.DoesNotContain(word, printed)
    | step -> Assert.Fail $"{step.GetType()}"

[<Fact>]
let ``the request is what the specification's vectors show`` () =
    let connectedReply = "05 00 00 01 00000000 0000"
    Law.HoldsFor(
        [ None, name, $"05 00 {connectedReply}", "05 01 00  05 01 00 03 0b 6578616d706c652e636f6d 01bb", Ok 12
          user, name, $"05 02 01 00 {connectedReply}", "05 02 00 02  01 04 75736572 04 70617373  05 01 00 03 0b 6578616d706c652e636f6d 01bb", Ok 14
          user, name, $"05 00 {connectedReply}", "05 02 00 02  05 01 00 03 0b 6578616d706c652e636f6d 01bb", Ok 12
          None, SocksDestination.Ip(IPAddress.Parse "192.0.2.1", 443), "05 00 05 05 00 01 00000000 0000", "05 01 00  05 01 00 01 c0000201 01bb", Error(SocksFault.Refused 5uy)
          None, SocksDestination.Ip(IPAddress.Parse "::ffff:192.0.2.1", 443), $"05 00 {connectedReply}", "05 01 00  05 01 00 01 c0000201 01bb", Ok 12
          None, SocksDestination.Ip(IPAddress.Parse "2001:db8::1", 443), "05 00 05 00 00 03 09 6c6f63616c686f7374 1f90",
          "05 01 00  05 01 00 04 20010db8000000000000000000000001 01bb", Ok 18 ],
        fun (credentials, destination, answers, said, result) ->
            play true whole credentials destination (hex answers) = { End = result; Said = hex said })

[<Fact>]
let ``what a proxy gets wrong is told apart`` () =
    Law.HoldsFor(
        [ None, "04", SocksFault.Version 4uy
          None, "48 54 54 50", SocksFault.Version 0x48uy
          None, "05 ff", SocksFault.NoAcceptableMethod
          user, "05 ff", SocksFault.NoAcceptableMethod
          None, "05 02", SocksFault.MethodNotOffered 2uy
          user, "05 01", SocksFault.MethodNotOffered 1uy
          user, "05 80", SocksFault.MethodNotOffered 0x80uy
          user, "05 02 05 00", SocksFault.AuthenticationVersion 5uy
          user, "05 02 05", SocksFault.AuthenticationVersion 5uy
          user, "05 02 01 01", SocksFault.CredentialsRefused 1uy
          None, "05 00 04 5a", SocksFault.Version 4uy
          None, "05 00 05 00 00 02", SocksFault.AddressType 2uy
          None, "05 00 05 00 00 03 00", SocksFault.EmptyBoundName
          None, "", SocksFault.Ended "the greeting"
          user, "05 02 01", SocksFault.Ended "the authentication"
          None, "05 00 05 00", SocksFault.Ended "the request" ],
        fun (credentials, answers, expected) -> fault credentials answers = Error expected)

[<Fact>]
let ``every reply code is a refusal with words of its own, told by its first two bytes`` () =
    let words = [ for code in 1..255 -> SocksFault.describe (SocksFault.Refused(byte code)) ]
    Assert.Equal(255, (List.distinct words).Length)
    Law.HoldsFor([ 1..9 ], fun code -> (words[code - 1].Contains "unassigned") = (code = 9))
    Law.HoldsFor([ 1..255 ], fun code -> fault None $"05 00 05 {code:x2}" = Error(SocksFault.Refused(byte code)))

[<Fact>]
let ``every method that was not offered is refused`` () =
    Law.HoldsFor([ for m in 0..255 do for c in [ None; user ] -> m, c ], fun (m, credentials) ->
        match fault credentials $"05 {m:x2}" with
        | Error(SocksFault.Ended _) -> m = 0 || (m = 2 && credentials.IsSome)
        | Error SocksFault.NoAcceptableMethod -> m = 255
        | Error(SocksFault.MethodNotOffered asked) -> int asked = m
        | _ -> false)

[<Fact>]
let ``a user or a password has 1 to 255 bytes, whatever they are`` () =
    Law.HoldsFor([ 0, false; 1, true; 255, true; 256, false ], fun (length, isWord) ->
        let bytes = Array.init length byte
        match SocksWord.tryOf bytes with
        | ValueSome word -> isWord && word.Bytes = bytes
        | ValueNone -> not isWord)

[<Fact>]
let ``a name at its longest is told with its length and in full`` () =
    let longest = Sample.dialName (String.init 253 (fun i -> if i % 64 = 63 then "." else "n") + ".")
    let said = (play true whole None (SocksDestination.Name(longest, 1)) [| 5uy; 0uy |]).Said
    Assert.Equal<byte array>(Array.concat [ [| 5uy; 1uy; 0uy; 5uy; 1uy; 0uy; 3uy; 254uy |]; Encoding.ASCII.GetBytes longest.Text; [| 0uy; 1uy |] ], said)

[<Fact>]
let ``an answer of another protocol is refused at its first byte`` () =
    let destination = SocksDestination.Name(Sample.dialName "example.com", 80)
    Law.HoldsFor([ [||]; [| 5uy; 0uy |] ], fun before ->
        match Socks5Exchange.start None destination with
        | SocksStep.Send(_, state, _) ->
            let state =
                if Array.isEmpty before then ValueSome state
                else
                    match Socks5Exchange.feed state (ReadOnlySpan before) with
                    | SocksStep.Send(_, next, _) -> ValueSome next
                    | _ -> ValueNone
            (match state with
             | ValueSome state ->
                 (match Socks5Exchange.feed state (ReadOnlySpan [| 4uy |]) with
                  | SocksStep.Rejected(SocksFault.Version 4uy) -> true
                  | _ -> false)
             | ValueNone -> false)
        | _ -> false)
