namespace Bitflow.Domain

/// What can be configured and does not exist yet. `check` warns of it and serving refuses it: TLS that is configured
/// and not applied would be a leak. A feature that comes takes its line away from here.
[<RequireQualifiedAccess>]
module Unsupported =
    let private application: (string * (ApplicationConfig -> bool) * string) list =
        [ "admin", _.Admin.IsSome, "the admin server" ]

    /// The keys of a configuration that ask for what does not exist yet, each with the name of that.
    [<CompiledName("InConfig")>]
    let inConfig (config: Config) : (YamlPath * string) list =
        let asked features (path: YamlPath) part =
            features |> List.filter (fun (_, isAsked, _) -> isAsked part) |> List.map (fun (key: string, _, what: string) -> path / key, what)
        asked application (YamlPath.Root / "application") config.Application
