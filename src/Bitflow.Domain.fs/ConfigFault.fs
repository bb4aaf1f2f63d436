namespace Bitflow.Domain

open System

/// Why a file is no configuration, or no file of cases. Text is made of these in `describe` alone.
[<RequireQualifiedAccess; NoComparison>]
type ConfigFault =
    | Yaml of YamlFault
    // A key
    | UnknownKey of name: string * known: string list
    /// It is known in other places (`server.proxies[].options`), and here is none.
    | MisplacedKey of name: string * known: string list * places: string list
    /// A key and its value with no blank behind the colon, or with an equals sign for it: to YAML they are one text.
    | NoBlankBehindColon of key: string
    /// What an alias brings here is the value of a secret key too.
    | SharedSecret
    | Missing of name: string * example: string
    | Retired of remedy: string
    // A value
    | WrongShape of found: string * noun: string * example: string
    | EmptyEntry of noun: string * example: string
    | NoEntry of noun: string
    | Empty of noun: string * example: string
    | Unprintable of code: int * secret: bool
    | Duration of text: string * error: DurationError
    | NegativeDuration of text: string
    // Of a keep-alive's interval, where a negative duration means none, and zero does not
    | KeepAliveMissing
    | NegativeKeepAlive of number: string
    | NotBoolean of text: string
    | NotInteger of text: string * quoted: bool
    | OutOfRange of text: string * least: int * most: int
    | NotAChoice of text: string * choices: string list
    | Address of AddressError
    | DescriptorForAdmin
    | Network of IpNetworkError
    | NotAHostName of text: string
    | ProtocolNameTooLong of bytes: int
    | MetricsScheme of scheme: string
    | MetricsList
    | MetricsAddress of text: string
    | SocksProxy of SocksProxyError
    | SentryDsn of SentryDsnError
    | Case of CaseFault
    // Keys beside each other
    | DuplicateName of name: string * first: YamlPath
    | ListenersOverlap of address: string * other: string * otherPath: YamlPath
    | OnePathTwice of address: string * otherPath: YamlPath
    | OneDescriptorTwice of address: string * otherPath: YamlPath
    | VerifiesWithoutAuthority of mode: string
    | NoCertificates
    | ListenerCertificateWithout of key: string
    | TargetCertificateWithout of key: string
    | NetworksOnUnixListener
    | DualStackTarget of address: TargetAddress
    | SocksOnNoTcpTarget of address: TargetAddress
    | NoNameToVerify
    | TlsBehindPassthrough

/// What is usable but probably not meant.
[<RequireQualifiedAccess; NoComparison>]
type ConfigWarning =
    | Null
    /// With what holds then.
    | EmptyList of omitted: string
    | HostBits of written: string * network: IpNetwork
    | KeepAliveHeld of seconds: int
    | NeverChosen of reason: string
    /// A server name that is well-formed, and that no client sends.
    | UnusualName of name: string * meant: string
    /// The target is the proxy's own listener.
    | LeadsBack of address: TargetAddress
    | NoEffect of reason: string
    /// A path with what a shell would fill in.
    | ForAShell
    | ReadWithoutWrite of side: string * opposites: YamlPath list
    | LiteralBesideDualStack of address: DialAddress
    | LiteralProxyBesideDualStack
    | SlowToGiveUp of longest: Duration
    | NeverGivesUp

[<RequireQualifiedAccess>]
module ConfigFault =
    let private smallNumbers =
        [| "zero"; "one"; "two"; "three"; "four"; "five"; "six"; "seven"; "eight"; "nine"; "ten"; "eleven"; "twelve" |]

    /// `five seconds`, `30 seconds`.
    let private seconds (number: string) =
        match Int32.TryParse number with
        | true, 1 -> "one second"
        | true, n when n >= 0 && n < smallNumbers.Length -> $"{smallNumbers[n]} seconds"
        | _ -> $"{number} seconds"

    /// Words to choose from, each in quotes.
    let choices (words: string list) = words |> List.map (fun word -> $"\"{word}\"") |> String.concat ", "

    let private describeDuration (text: string) error =
        match error with
        | DurationError.Empty -> "a duration is missing; write \"30s\", or \"0\" for none"
        // The whole text is one number: repeat it with its unit.
        | DurationError.NoUnit number when number = text.TrimStart '+' ->
            $"\"{text}\" has no unit; write \"{number}s\" for {seconds number}"
        | DurationError.NoUnit number when text = "-" + number ->
            $"\"{text}\" has no unit, and is negative; write \"{number}s\" for {seconds number}, or \"0\" for none"
        | DurationError.NoUnit number -> $"\"{number}\" in \"{text}\" has no unit; write \"{number}s\", for example"
        | DurationError.UnknownUnit unit -> $"\"{unit}\" in \"{text}\" is no unit; use ns, us, ms, s, m or h, as in \"1m30s\""
        | DurationError.NotANumber when List.contains (text.ToLowerInvariant()) [ "never"; "none"; "no"; "off"; "forever"; "infinite"; "infinity"; "unlimited" ] ->
            $"\"{text}\" is no duration; write \"0\" for none, or leave the key out"
        | DurationError.NotANumber -> $"\"{text}\" is no duration; write \"250ms\", \"1.5s\" or \"1m30s\", for example"

    /// The names of the keys whose values stand in no message.
    let private secretKeys = [ "proxy"; "sentry_dsn" ]

    /// The secret key that a written key is, or begins with: without a blank behind its colon, `proxy:user:…` is one key to YAML.
    let internal secretIn (written: string) =
        let isWord (c: char) = Char.IsAsciiLetterOrDigit c || c = '_' || c = '-'
        secretKeys
        |> List.tryFind (fun key ->
            written = key || (written.StartsWith(key, StringComparison.OrdinalIgnoreCase) && written.Length > key.Length && not (isWord written[key.Length])))

    /// A fault within a secret value, as when its text was meant as text but is read as a tag, an alias or a mapping,
    /// ends its path at the secret key and loses what it quotes.
    let withoutSecrets (found: Found<ConfigFault>) : Found<ConfigFault> =
        let rec cut path =
            match path with
            | YamlPath.Root -> ValueNone
            | YamlPath.Key(parent, name) ->
                match cut parent with
                | ValueSome cut -> ValueSome cut
                | ValueNone ->
                    match secretIn name with
                    | Some key -> ValueSome(YamlPath.Key(parent, key))
                    | None -> ValueNone
            | YamlPath.Element(parent, _) -> cut parent
        match cut found.Path with
        | ValueNone -> found
        | ValueSome secret ->
            let fault =
                match found.What with
                | ConfigFault.Yaml fault -> ConfigFault.Yaml(YamlFault.withoutText fault)
                | ConfigFault.UnknownKey(name, _) ->
                    match secretIn name with
                    | Some key when key <> name -> ConfigFault.NoBlankBehindColon key
                    // Such a key in another place: its name is none.
                    | Some _ -> found.What
                    | None -> ConfigFault.UnknownKey("", [])
                | ConfigFault.MisplacedKey(name, _, _) when (secretIn name).IsNone -> ConfigFault.UnknownKey("", [])
                | fault -> fault
            { found with Path = secret; What = fault }

    /// What is wrong, and what would be right.
    let describe fault =
        match fault with
        | ConfigFault.Yaml fault -> YamlFault.describe fault
        | ConfigFault.UnknownKey("<<", _) -> "a quoted \"<<\" is no merge; write it without quotes"
        | ConfigFault.UnknownKey(name, known) ->
            match Spelling.similar name known with
            | ValueSome near -> $"this key is not known; did you mean \"{near}\"?"
            | ValueNone when known.IsEmpty -> "this key is not known; remove it"
            | ValueNone -> $"this key is not known; known here are {choices known}"
        | ConfigFault.MisplacedKey(name, known, places) ->
            let places = String.concat " or " places
            match Spelling.similar name known with
            | ValueSome near -> $"this key belongs in {places}, if it is not \"{near}\" that you mean"
            | ValueNone -> $"this key belongs in {places}"
        | ConfigFault.NoBlankBehindColon key -> $"the value is part of the key; write \"{key}: …\", with a colon and a blank"
        | ConfigFault.SharedSecret -> "an alias brings the value of a secret key here, where it would be shown; write one of its own"
        | ConfigFault.Missing(name, example) -> $"missing; write \"{name}: {example}\", for example"
        | ConfigFault.Retired remedy -> remedy
        | ConfigFault.WrongShape(found, noun, example) when example.StartsWith("[{", StringComparison.Ordinal) -> $"{found} where {noun} belongs; begin each entry with \"- \", or write \"{example}\", for example"
        | ConfigFault.WrongShape(found, noun, example) -> $"{found} where {noun} belongs; write \"{example}\", for example"
        | ConfigFault.EmptyEntry(noun, example) -> $"the entry is empty; write {noun}, for example \"{example}\", or remove it"
        | ConfigFault.NoEntry noun -> $"the list is empty; write {noun} at least"
        | ConfigFault.Empty(noun, example) -> $"the text is empty; write {noun}, for example \"{example}\""
        | ConfigFault.Unprintable(code, secret) ->
            if secret then "the value holds a control character; remove it"
            else $"the value holds the control character U+{code:X4}; remove it"
        | ConfigFault.Duration(text, error) -> describeDuration text error
        | ConfigFault.KeepAliveMissing -> "a duration is missing; write \"15s\", or \"-1\" for no keep-alive"
        | ConfigFault.NegativeKeepAlive number -> $"\"-{number}\" has no unit; write \"-{number}s\", or \"-1\", for no keep-alive"
        | ConfigFault.NegativeDuration text -> $"\"{text}\" is negative; write a duration of zero (no limit) or more"
        | ConfigFault.NotBoolean text -> $"\"{text}\" is no boolean; write true or false"
        | ConfigFault.NotInteger(text, true) when text <> "" && String.forall Char.IsAsciiDigit text ->
            $"\"{text}\" is quoted, and so it is text; write {text} without quotes"
        | ConfigFault.NotInteger(text, _) -> $"\"{text}\" is no whole number; write decimal digits alone, as in 3"
        | ConfigFault.OutOfRange(text, least, most) -> $"{text} is out of range; write a whole number from {least} to {most}"
        | ConfigFault.NotAChoice(text, words) ->
            match Spelling.similar text words with
            | ValueSome near -> $"\"{text}\" is not known here; write one of {choices words} (the nearest is \"{near}\")"
            | ValueNone -> $"\"{text}\" is not known here; write one of {choices words}"
        | ConfigFault.Address error -> Address.describe error
        | ConfigFault.DescriptorForAdmin -> "the admin server takes no descriptor; write \"host:port\" or \"unix:/path\""
        | ConfigFault.Network error ->
            match error with
            | IpNetworkError.NotAnAddress text -> $"\"{text}\" is no IP address; write \"10.0.0.0/8\", \"2001:db8::/32\" or a single address"
            | IpNetworkError.PrefixLengthNotANumber text -> $"\"/{text}\" is no prefix length; write a number, as in \"10.0.0.0/8\""
            | IpNetworkError.PrefixLengthTooLong(length, most) -> $"the prefix length {length} is too long; at most {most} bits are in such an address"
        | ConfigFault.NotAHostName text -> $"\"{text}\" is no host name; write letters, digits, \"-\" and dots, as in \"db.example.com\""
        | ConfigFault.ProtocolNameTooLong bytes -> $"the name has {bytes} bytes; an ALPN name has 1 to 255"
        | ConfigFault.MetricsScheme scheme ->
            $"metrics over \"{scheme}://\" are not supported; write \"host:port\", \"udp://host:port\" or \"unix:///path\" (datagrams)"
        | ConfigFault.MetricsList -> "a list of metrics addresses is not supported; write one \"host:port\""
        | ConfigFault.MetricsAddress text -> $"\"{text}\" is no metrics address; write \"host:port\", \"udp://host:port\" or \"unix:///path\""
        | ConfigFault.SocksProxy error -> SocksProxySyntax.describe error
        | ConfigFault.SentryDsn error -> $"this is no Sentry DSN: {SentryDsn.describe error}"
        | ConfigFault.Case fault -> CaseFault.describe fault
        | ConfigFault.DuplicateName(name, first) -> $"the name \"{name}\" is already that of {first}; choose another"
        | ConfigFault.ListenersOverlap(address, other, path) ->
            $"\"{address}\" overlaps with \"{other}\" of {path}; listen on another address or port"
        | ConfigFault.OnePathTwice(address, path) -> $"\"{address}\" is already the socket of {path}; choose another path"
        | ConfigFault.OneDescriptorTwice(address, path) -> $"\"{address}\" is already used by {path}; a descriptor has one place"
        | ConfigFault.VerifiesWithoutAuthority mode ->
            $"\"{mode}\" verifies client certificates, but no entry of \"certificates\" has an \"authority\"; add one, or write \"none\""
        | ConfigFault.NoCertificates -> "a listener that terminates TLS needs a certificate; add \"certificates\" with a \"key\" and a \"certificate\""
        | ConfigFault.ListenerCertificateWithout key -> $"an entry of a listener needs both \"key\" and \"certificate\"; add \"{key}\""
        | ConfigFault.TargetCertificateWithout key -> $"a client certificate needs both \"key\" and \"certificate\"; add \"{key}\""
        | ConfigFault.NetworksOnUnixListener -> "clients of a \"unix:\" listener have no IP address; remove this key"
        | ConfigFault.DualStackTarget address ->
            $"\"enable_dual_stack\" chooses between IPv4 and IPv6, and \"{address}\" leaves no choice; write \"host:port\", or remove \"enable_dual_stack\""
        | ConfigFault.SocksOnNoTcpTarget address -> $"a SOCKS5 proxy connects to TCP targets, and \"{address}\" is none; remove \"proxy\""
        | ConfigFault.NoNameToVerify -> "the target's address has no host to verify; add \"server_name\", or write verify_mode \"none\""
        | ConfigFault.TlsBehindPassthrough ->
            "the \"sni\" listener passes TLS through untouched, so the target has TLS already; remove this key, or add a \"tls_context\" to the listener"

[<RequireQualifiedAccess>]
module ConfigWarning =
    let describe warning =
        match warning with
        | ConfigWarning.Null -> "nothing is written here, which counts as if the key were left out"
        | ConfigWarning.EmptyList omitted -> $"the list is empty, which counts as if the key were left out: {omitted}"
        | ConfigWarning.HostBits(written, network) -> $"\"{written}\" has bits behind its prefix; it is read as \"{network}\""
        | ConfigWarning.KeepAliveHeld seconds -> $"the kernel takes at most {seconds} s; that is used"
        | ConfigWarning.NeverChosen reason -> $"this target is never chosen: {reason}"
        | ConfigWarning.UnusualName(name, meant) -> $"no client asks for the name \"{name}\"; write {meant}"
        | ConfigWarning.LeadsBack address -> $"\"{address}\" is where this proxy listens: each connection would make another, until no descriptor is left; write the address of what it is to reach"
        | ConfigWarning.ForAShell -> "the path is taken as it stands: write out what ~ and variables stand for"
        | ConfigWarning.NoEffect reason -> $"without effect: {reason}"
        | ConfigWarning.ReadWithoutWrite(side, opposites) ->
            let keys = opposites |> List.map string |> String.concat ", "
            $"while a write to the {side} is pending this clock stands still, for as long as the {side} takes nothing; set {keys} too"
        | ConfigWarning.LiteralBesideDualStack address ->
            $"\"{address}\" is one address of one family; with \"enable_dual_stack\" clients of the other family fail"
        | ConfigWarning.LiteralProxyBesideDualStack ->
            "the SOCKS5 proxy has one address of one family; with \"enable_dual_stack\" clients of the other family fail"
        | ConfigWarning.SlowToGiveUp longest -> $"a client may wait {longest} before dialling is given up; lower connect_timeout, connect_backoff or connect_attempts"
        | ConfigWarning.NeverGivesUp -> "without connect_timeout a client may wait for as long as the kernel tries"
