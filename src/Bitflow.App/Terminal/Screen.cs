using Bitflow.Domain;

namespace Bitflow.App.Terminal;

/// <summary>
/// What commands say, with colours where somebody sees them: each of the two streams decides for itself. A command whose answer cannot be written has
/// failed (<see cref="OutputException"/>); a complaint that cannot be written has nowhere else to go.
/// </summary>
internal static class Screen
{
    private static readonly bool OutIsPainted = IsPainted(!Console.IsOutputRedirected);

    static Screen()
    {
        // Where nothing is a terminal the console is not begun before it is needed: a service starts sooner for it.
        if (!Console.IsInputRedirected || !Console.IsOutputRedirected || !Console.IsErrorRedirected)
            KeypadMode.Avoid();
    }

    /// <summary>Whether standard error gets colours.</summary>
    public static bool ErrorsArePainted { get; } = IsPainted(!Console.IsErrorRedirected);

    /// <summary>Whether a line on standard error can be overwritten by the next.</summary>
    public static bool HasProgress { get; } = !Console.IsErrorRedirected && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb");

    public static void Say(string line) => Write(line + Environment.NewLine);

    public static void Say(Tone tone, string line) => Say(OutIsPainted ? Paint.Text(tone, line) : line);

    /// <summary>The same without an end of line.</summary>
    public static void Write(string text)
    {
        try
        {
            Console.Out.Write(text);
        }
        catch (Exception e) when (IsOfTheStream(e))
        {
            throw new OutputException(e);
        }
    }

    /// <summary>An error or a warning, its place at the head.</summary>
    public static void Complain(Tone tone, string line) => Mutter((ErrorsArePainted ? Paint.Head(tone, line) : line) + Environment.NewLine);

    /// <summary>On standard error as it is, without an end of line.</summary>
    public static void Mutter(string text)
    {
        try
        {
            Console.Error.Write(text);
        }
        catch (Exception e) when (IsOfTheStream(e))
        {
            // Closed, full, or a terminal that has gone: what goes on here does not hang on being watched.
        }
    }

    /// <summary>The platform tells of a descriptor that is not open as of one without permission.</summary>
    private static bool IsOfTheStream(Exception e) => e is IOException or UnauthorizedAccessException;

    private static bool IsPainted(bool isTerminal) =>
        Paint.IsWelcome(isTerminal, Environment.GetEnvironmentVariable("TERM"), Environment.GetEnvironmentVariable("NO_COLOR"));
}
