namespace Bitflow.App;

/// <summary>What the program's exit status says; docs/operations.md has the table.</summary>
internal static class ExitStatus
{
    public const int Done = 0;

    /// <summary>Failed while running: a port in use, a forced end.</summary>
    public const int Failed = 1;

    /// <summary>Unusable arguments or configuration, or an answer that cannot be written.</summary>
    public const int Unusable = 2;
}
