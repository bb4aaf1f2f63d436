namespace Bitflow.App;

/// <summary>What became of the reading of a configuration.</summary>
/// <param name="Loaded">Null where it cannot be served.</param>
/// <param name="Errors">Every reason why it cannot.</param>
internal sealed record LoadAttempt(LoadedConfiguration? Loaded, IReadOnlyList<string> Errors);
