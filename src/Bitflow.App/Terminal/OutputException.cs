namespace Bitflow.App.Terminal;

/// <summary>Standard output takes no more: a full disk, or nothing open there.</summary>
internal sealed class OutputException(Exception cause) : Exception($"standard output cannot be written: {cause.InnerException?.Message ?? cause.Message}", cause);
