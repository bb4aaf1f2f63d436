namespace Bitflow.App.Terminal;

/// <summary>
/// The platform's console, at its first use, puts the terminal into the mode in which a keypad sends sequences of its own, and leaves it there
/// at the end. Nobody here reads such keys.
/// </summary>
internal static class KeypadMode
{
    private const string Variable = "TERM";

    /// <summary>
    /// Has the console begin on a terminal of which it knows nothing, the sequence of that mode included. It begins with the first write, one of
    /// nothing too. Only this process sees the variable change.
    /// </summary>
    public static void Avoid()
    {
        string? terminal = Environment.GetEnvironmentVariable(Variable);
        Environment.SetEnvironmentVariable(Variable, null);
        try
        {
            using Stream output = Console.OpenStandardOutput();
            output.Write([]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Closed: whoever says something there hears of it.
        }
        finally
        {
            Environment.SetEnvironmentVariable(Variable, terminal);
        }
    }
}
