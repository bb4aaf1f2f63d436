module Bitflow.Spec.AddressLaws

open Xunit
open Bitflow.Domain

[<Fact>]
let ``an address that was written reads back as itself`` () =
    Law.Holds(fun (a: Address) -> Address.tryParse (string a) = Ok a)

[<Fact>]
let ``no text makes the reading of an address throw`` () =
    Law.NeverThrows(fun (HostileText text) -> Address.tryParse text)

[<Fact>]
let ``every refusal of a nearly right address says what would be right`` () =
    Law.Holds(fun (NearlyAddress text) ->
        match Address.tryParse text with
        | Ok address -> Address.tryParse (string address) = Ok address
        | Error fault -> (Address.describe fault).Length > 20)

let private at text = match Address.tryParse text with Ok a -> a | Error _ -> failwith text

[<Fact>]
let ``what a socket takes is where it is bound, whatever it was asked for as`` () =
    let bound (text: string) port = Endpoint.OfIp(System.Net.IPAddress.Parse text, port)
    Law.HoldsFor(
        [ "localhost:80", bound "127.0.0.1" 80, "127.0.0.1:80"
          "127.0.0.1:0", bound "127.0.0.1" 4711, "127.0.0.1:4711"
          ":0", bound "::" 4711, ":4711"
          "tcp6::80", bound "::" 80, "tcp6::80"
          "fd:3", bound "::" 80, ":80"
          "fd:web", bound "::1" 80, "[::1]:80"
          "unix:/a", Endpoint.Unix "/a", "unix:/a" ],
        fun (asked, local, taken) -> local.TakenFor(at asked) = at taken)

[<Fact>]
let ``who listens on every address is reached from the same machine by one of its own of that family, and any other by its own address`` () =
    Law.HoldsFor(
        [ ":80", "localhost"; "[::]:80", "localhost"; "tcp4::80", "127.0.0.1"; "0.0.0.0:80", "127.0.0.1"; "tcp4:0.0.0.0:80", "127.0.0.1"; "[::ffff:0.0.0.0]:80", "127.0.0.1"
          "tcp6::80", "[::1]"; "tcp6:[::]:80", "[::1]"; "a.example:80", "a.example"; "10.0.0.1:80", "10.0.0.1"; "[2001:db8::1]:80", "[2001:db8::1]" ],
        fun (text, host) -> match at text with Address.Tcp(family, asked, _) -> Address.hostFromHere family asked = host | _ -> false)

[<Fact>]
let ``what is advised for an address that cannot be read can be read, a target's too`` () =
    let faulty =
        [ ""; ":"; "tcp:"; "tcp4:"; "8080"; "*"; "*:80"; "host"; "host:"; "host:http"; "host:70000"; "::1"; "[1.2.3.4]:80"; "a b:80"; "tcp://a:80"; "tcp4://a:80"; "tcp6://a:80"; "://x"; "http://a"
          "unix:"; "unix:relative"; "unix:/a\000b"; "[::1]::80"; "[::1]"; "[::1]:"; "[::1]80"; "[::1]x:80"; "tcp:[::1]80"; "fd:"; "fd:-1"; "fd:+1"; "fd:99999999999"; "fd:a b"; "fd://3"; "tcp4:[::1]:80"; "a:0" ]
    /// The addresses between quotes behind the last "write"; "host:port" and "fd:N" stand for some.
    let advised (message: string) =
        let advice = message.Substring(message.LastIndexOf "write" |> max 0)
        System.Text.RegularExpressions.Regex.Matches(advice, "\"([^\"]*:[^\"]+)\"") |> Seq.map _.Groups[1].Value |> Seq.map _.Replace("port", "80").Replace("fd:N", "fd:3") |> Seq.toList
    let isFollowed (read: string -> Result<'T, AddressError>) text =
        match read text with
        | Ok _ -> true
        | Error fault -> advised (Address.describe fault) |> List.forall (fun advice -> (read advice).IsOk)
    Law.HoldsFor(faulty, fun text -> isFollowed Address.tryParse text)
    Law.HoldsFor("fd:web" :: "fd:NAME" :: ":80" :: "[::]:80" :: faulty, fun text -> isFollowed TargetAddress.tryParse text)

[<Fact>]
let ``it is the slashes of a URL that are refused, not the scheme before them`` () =
    Law.HoldsFor([ "tcp://a:80", "tcp"; "tcp4://a:80", "tcp4"; "tcp6://a:80", "tcp6"; "fd://3", "fd" ], fun (text, scheme) -> Address.tryParse text = Error(AddressError.SlashesAfter scheme))
    Law.HoldsFor([ "http://a:80", "http"; "tcp:tcp:a:80", "tcp" ], fun (text, scheme) -> Address.tryParse text = Error(AddressError.UnknownScheme scheme))

[<Fact>]
let ``every form of an address that the page on configuration shows is read`` () =
    Law.HoldsFor(
        [ "localhost:80", Address.Tcp(TcpFamily.Either, Host.Name "localhost", 80)
          "tcp:localhost:80", Address.Tcp(TcpFamily.Either, Host.Name "localhost", 80)
          "tcp4:localhost:80", Address.Tcp(TcpFamily.V4, Host.Name "localhost", 80)
          ":443", Address.Tcp(TcpFamily.Either, Host.Any, 443)
          "[::]:443", Address.Tcp(TcpFamily.Either, Host.Any, 443)
          "tcp6:[::]:443", Address.Tcp(TcpFamily.V6, Host.Any, 443)
          "tcp6::443", Address.Tcp(TcpFamily.V6, Host.Any, 443)
          "[::ffff:127.0.0.1]:80", Address.Tcp(TcpFamily.Either, Host.Literal System.Net.IPAddress.Loopback, 80)
          "[::ffff:7f00:1]:80", Address.Tcp(TcpFamily.Either, Host.Literal System.Net.IPAddress.Loopback, 80)
          "tcp4:[::ffff:127.0.0.1]:80", Address.Tcp(TcpFamily.V4, Host.Literal System.Net.IPAddress.Loopback, 80)
          "unix:/run/x.sock", Address.UnixPath "/run/x.sock"
          "unix:@x//y", Address.UnixAbstract "x//y"
          "fd:3", Address.Descriptor 3
          "fd:web", Address.NamedDescriptor "web"; "fd:+", Address.NamedDescriptor "+" ],
        fun (text, address) -> Address.tryParse text = Ok address)

[<Fact>]
let ``a Unix socket's path, and an abstract name, has at most 107 bytes`` () =
    Law.HoldsFor([ 106, true; 107, true; 108, false ], fun (bytes, isSound) ->
        (Address.tryParse ("unix:/" + System.String('x', bytes - 1))).IsOk = isSound && (Address.tryParse ("unix:@" + System.String('x', bytes))).IsOk = isSound)

[<Fact>]
let ``a Unix socket is the same, however many spare slashes and steps its path has`` () =
    Law.Holds(fun (a: Address) ->
        match a with
        | Address.UnixPath path ->
            [ "///"; "/./"; "/././"; ".//./"; "/.//" ] |> List.forall (fun steps -> Address.tryParse ("unix:" + path.Replace("/", "/" + steps)) = Ok a)
            && Address.tryParse $"unix:{path}/." = Ok a
        | _ -> true)
    Law.HoldsFor([ "unix:///run//x.sock", "/run/x.sock" ], fun (text, path) -> Address.tryParse text = Ok(Address.UnixPath path))
    Law.HoldsFor([ "unix:@x/./y", "x/./y" ], fun (text, name) -> Address.tryParse text = Ok(Address.UnixAbstract name))

[<Fact>]
let ``two readings of one text do not exist: loose forms are refused`` () =
    Law.HoldsFor(
        [ ""; "80"; "localhost"; "localhost:"; "localhost:80:90"; "::1:80"; "[::1]"; "[::1]80"; "[1.2.3.4]:80"; "1.2.3:80"; "01.2.3.4:80"
          "a b:80"; "-:99999"; "a:+80"; "unix:"; "unix:relative"; "unix:@"; "fd:"; "fd:99999999999"; "fd:a:b"; "tcp://a:80"; "tcp4:[::1]:80"; "tcp6:1.2.3.4:80"; "tcp6:[::ffff:1.2.3.4]:80"
          "unix:/" + System.String('x', 107); "unix:@" + System.String('x', 108); "[::1]::80"; "unix:/a\000b"; "[fe80::1%eth0]:80"; "a..b:80" ],
        fun text -> match Address.tryParse text with Error _ -> true | Ok _ -> false)

[<Fact>]
let ``a refusal names what was meant`` () =
    Law.HoldsFor(
        [ "80", "write \":80\""
          "localhost", "write \"localhost:80\""
          "[::1]:", "write \"[::1]:80\""
          "::1:80", "in brackets"
          "http://x:80", "\"http:\" is not known"
          "tcp://x:80", "no slashes stand behind \"tcp:\"; write \"tcp:host:port\""
          "fd://3", "write \"fd:3\""
          "udp:x:80", "\"udp:\" is not known"
          "*:80", "as in \":80\""
          "tcp6:[::ffff:1.2.3.4]:80", "an address of the other family; drop the"
          "unix:/a\000b", "no NUL byte"
          "fd:-1", "no descriptor" ],
        fun (text, words) ->
            match Address.tryParse text with
            | Error error -> (Address.describe error).Contains words
            | Ok _ -> false
    )

[<Fact>]
let ``the name of an inherited descriptor has at most 255 characters`` () =
    Law.HoldsFor([ 254, true; 255, true; 256, false ], fun (length, sound) -> (Address.tryParse ("fd:" + System.String('a', length))).IsOk = sound)

[<Fact>]
let ``an address with a zone is refused for its zone`` () =
    Law.HoldsFor(
        [ "[fe80::1%eth0]:80"; "tcp6:[fe80::1%2]:80"; "[::1%lo]:443" ],
        fun text -> match Address.tryParse text with Error(AddressError.Zone _ as fault) -> (Address.describe fault).Contains "zone" | _ -> false)

[<Fact>]
let ``a scheme that is not known is the one before the first slashes`` () =
    Law.HoldsFor([ "ftp://a"; "ftp://a://b"; "ftp://a:80/x://" ], fun text -> Address.tryParse text = Error(AddressError.UnknownScheme "ftp"))

[<Fact>]
let ``what is advised for an address without a port is one, and a path is told of unix:`` () =
    Law.HoldsFor(
        [ "/run/a.sock", "write \"unix:/run/a.sock\""; "./a.sock", "write \"unix:/path\""; "a", "write \"a:80\""; "10.0.0.1", "write \"10.0.0.1:80\""
          "5 s", "neither a host name nor an address"; "a..b", "neither a host name nor an address"; "{{ TARGET }}", "neither a host name nor an address"
          "127.0.0.1 80", "neither a host name nor an address" ],
        fun (text, words) ->
            match Address.tryParse text with
            | Ok _ -> false
            | Error error -> (Address.describe error).Contains words)
